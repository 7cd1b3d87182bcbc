"""From what is written to node ids of this session: namespaces by URI, paths by walking the server's tree by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from asyncua import ua
from msgspec import Struct

from drivers.opcua.address import NodeAddress, Segment
from drivers.opcua.session import Session, chunks, make_node
from drivers.opcua.spec import OpcuaPoint

_ROOTS = {"Objects": make_node(85), "Types": make_node(86), "Views": make_node(87)}
_HIERARCHICAL = make_node(33)
_NAMED = 10


class Child(Struct, frozen=True):
    """What hangs below a node."""

    name: str
    index: int
    node: ua.NodeId
    is_variable: bool


class Resolved(Struct):
    """The outcome for some points, by row: a node id, or why there is none."""

    nodes: dict[int, ua.NodeId] = {}
    problems: dict[int, str] = {}


async def resolve(session: Session, points: Iterable[tuple[int, OpcuaPoint]]) -> Resolved:
    """Find the nodes of some points, each given with its row.

    Raises:
        LinkError: the session is gone.
        DeviceError: the server refused to be browsed.
    """
    outcome = Resolved()
    walks: dict[int, tuple[Segment, ...]] = {}
    for row, point in points:
        if point.path is not None:
            walks[row] = point.path.segments
        elif point.node is not None:
            found = _by_id(session.namespaces, point.node)
            if isinstance(found, str):
                outcome.problems[row] = found
            else:
                outcome.nodes[row] = found
    if walks:
        await _walk(session, walks, outcome)
    return outcome


def _by_id(namespaces: list[str], address: NodeAddress) -> ua.NodeId | str:
    parts = address.parts
    index = parts.index or 0
    if parts.uri is not None:
        if parts.uri not in namespaces:
            return f"the server has no namespace '{parts.uri}'{_nearest(parts.uri, namespaces)}"
        index = namespaces.index(parts.uri)
    elif index >= len(namespaces):
        return f"the server has no namespace with index {index}, only 0 to {len(namespaces) - 1}"
    return make_node(parts.identifier, index)


async def _walk(session: Session, walks: dict[int, tuple[Segment, ...]], outcome: Resolved) -> None:
    """Follow all paths at once, one level of the tree at a time; what several share is browsed once."""
    known: dict[ua.NodeId, list[Child]] = {}
    at = {row: Child(steps[0].name, 0, _ROOTS[steps[0].name], is_variable=False) for row, steps in walks.items()}
    for depth in range(1, max(map(len, walks.values()))):
        here = {row for row in at if len(walks[row]) > depth}
        await _browse(session, {at[row].node for row in here} - known.keys(), known)
        for row in here:
            steps = walks[row]
            found = _pick(known[at[row].node], steps[depth], "/".join(map(str, steps[:depth])))
            if isinstance(found, str):
                outcome.problems[row] = found
                del at[row]
            else:
                at[row] = found
    dull = [row for row, child in at.items() if not child.is_variable]
    await _browse(session, {at[row].node for row in dull} - known.keys(), known)
    for row, child in at.items():
        if child.is_variable:
            outcome.nodes[row] = child.node
        else:
            path = "/".join(map(str, walks[row]))
            outcome.problems[row] = f"{path} is an object, not a value; it has {_listed(known[child.node])}"


def _pick(children: list[Child], step: Segment, parent: str) -> Child | str:
    named = [child for child in children if child.name == step.name]
    fitting = [child for child in named if step.index in {None, child.index}]
    nodes = {child.node for child in fitting}
    if len(nodes) == 1:
        return fitting[0]
    if fitting:
        choices = " or ".join(f"'{index}:{step.name}'" for index in sorted({child.index for child in fitting}))
        return f"there are {len(nodes)} '{step}' in {parent}; write {choices}, or name the node id"
    if named:
        return f"no '{step}' in {parent}; did you mean '{named[0].index}:{step.name}'?"
    near = _nearest(step.name, [child.name for child in children])
    return f"no '{step}' in {parent}{near or '; it has ' + _listed(children)}"


def _nearest(word: str, choices: list[str]) -> str:
    near = difflib.get_close_matches(word, choices, 1)
    return f"; did you mean '{near[0]}'?" if near else ""


def _listed(children: list[Child]) -> str:
    names = sorted({child.name for child in children})
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more if names else "nothing"


async def _browse(session: Session, nodes: Iterable[ua.NodeId], known: dict[ua.NodeId, list[Child]]) -> None:
    """Add the children of `nodes` to `known`."""
    for part in chunks(list(nodes), session.browse_limit):
        wanted = [_description(node) for node in part]
        results = await session.ask(session.services.browse(ua.BrowseParameters(NodesToBrowse=wanted)))
        for node, result in zip(part, results, strict=True):
            children = known.setdefault(node, [])
            children.extend(map(_child, result.References or ()))
            more = result.ContinuationPoint
            while more:
                following = ua.BrowseNextParameters(ReleaseContinuationPoints=False, ContinuationPoints=[more])
                [page] = await session.ask(session.services.browse_next(following))
                children.extend(map(_child, page.References or ()))
                more = page.ContinuationPoint


def _description(node: ua.NodeId) -> ua.BrowseDescription:
    return ua.BrowseDescription(
        NodeId=node,
        BrowseDirection=ua.BrowseDirection.Forward,
        ReferenceTypeId=_HIERARCHICAL,
        IncludeSubtypes=True,
        NodeClassMask=0,
        ResultMask=ua.BrowseResultMask.BrowseName | ua.BrowseResultMask.NodeClass,
    )


def _child(reference: ua.ReferenceDescription) -> Child:
    node, name = reference.NodeId, reference.BrowseName
    return Child(
        name=name.Name or "",
        index=name.NamespaceIndex,
        node=make_node(node.Identifier, node.NamespaceIndex),
        is_variable=reference.NodeClass == ua.NodeClass.Variable,
    )
