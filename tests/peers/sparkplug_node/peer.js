// A Sparkplug host and decoder that are not the gateway's: npm `mqtt` and `sparkplug-payload`.
//   node peer.js decode                 base64 of a payload per line in, what it says as JSON per line out
//   node peer.js host '{"port": …, "host": …, "group": …, "node": …, "version": 5}'
//                                       commands in, one per line: `online`, `offline` (and disconnect), `rebirth [how often]`, `end`
//                                       out, as JSON per line: {"said": …} when a command is done, {"topic": …, "payload": …} for a message
'use strict';
const readline = require('readline');
const sparkplug = require('sparkplug-payload').get('spBv1.0');

// JSON that loses nothing: 64-bit numbers as text, bytes as base64, what JSON has no number for as text.
function plain(value) {
  if (value && value.__isLong__) return { long: value.toString() };
  if (typeof value === 'bigint') return { long: value.toString() };
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('base64') };
  if (typeof value === 'number' && !Number.isFinite(value)) return { number: String(value) };
  if (Array.isArray(value)) return value.map(plain);
  if (value && typeof value === 'object') return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}

function decoded(bytes) {
  try {
    return plain(sparkplug.decodePayload(bytes));
  } catch (error) {
    return { error: String(error) };
  }
}

const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');

function decode() {
  readline.createInterface({ input: process.stdin }).on('line', (line) => say(decoded(Buffer.from(line, 'base64'))));
}

function host(settings) {
  const mqtt = require('mqtt');
  const topic = `spBv1.0/STATE/${settings.host}`;
  const state = (online, timestamp) => JSON.stringify({ online, timestamp });
  let client;
  let since;

  function online(done) {
    since = Date.now();
    client = mqtt.connect({
      host: '127.0.0.1', port: settings.port, protocolVersion: settings.version, clientId: `host-${settings.host}`, clean: true,
      reconnectPeriod: 0, will: { topic, payload: state(false, since), qos: 1, retain: true },
    });
    client.on('error', (error) => say({ error: String(error) }));
    client.on('message', (where, bytes) => {
      if (!where.startsWith('spBv1.0/STATE/')) say({ topic: where, payload: decoded(bytes) });
    });
    client.on('connect', () => client.subscribe({ [topic]: { qos: 1 }, [`spBv1.0/${settings.group}/#`]: { qos: 0 } }, () =>
      client.publish(topic, state(true, since), { qos: 1, retain: true }, done)));
  }

  function offline(done) {
    client.publish(topic, state(false, Date.now()), { qos: 1, retain: true }, () => client.end(false, {}, done));
  }

  function rebirth(times, done) {
    const metrics = [{ name: 'Node Control/Rebirth', type: 'Boolean', value: true, timestamp: Date.now() }];
    const request = sparkplug.encodePayload({ timestamp: Date.now(), metrics });
    let waiting = times;
    for (let n = 0; n < times; n += 1) {
      client.publish(`spBv1.0/${settings.group}/NCMD/${settings.node}`, request, { qos: 0 }, () => { if (!--waiting) done(); });
    }
  }

  readline.createInterface({ input: process.stdin }).on('line', (line) => {
    const [command, count] = line.split(' ');
    const done = () => say({ said: line });
    if (command === 'online') online(done);
    else if (command === 'offline') offline(done);
    else if (command === 'rebirth') rebirth(Number(count || 1), done);
    else process.exit(0);
  }).on('close', () => process.exit(0));
}

const [mode, settings] = process.argv.slice(2);
if (mode === 'decode') decode();
else host(JSON.parse(settings));
