"""Somebody who watches a scan."""


class Watcher:
    """An observer that keeps what it hears; `answer` is what its user says."""

    def __init__(self, answer=True):
        self.answer = answer
        self.confirmed = []
        self.asked = []
        self.units = []
        self.left = None

    def planned(self, requests):
        assert requests >= 0
        self.left = requests

    def asking(self, where):
        self.asked.append(where)

    def found(self, found):
        self.units.append(found.unit)

    async def confirm(self, requests, seconds):
        self.confirmed.append(requests)
        return self.answer
