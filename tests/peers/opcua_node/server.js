// An OPC UA server that is not asyncua, for the tests of the driver: node-opcua.
//
//   node server.js '{"port": 4840, "pki": "/tmp/pki", "before": 2, "none": true, "load": 0}'
//
// port    where it listens, on loopback
// pki     folder for its certificate and for those it trusts
// before  how many other namespaces are registered before ours: shifts our index
// none    whether it also offers an endpoint without security
// load    how many further doubles there are, changing 10 times a second
//
// Commands on standard input, a line each, answered with a line: {"set": {"Temp": 1.5}, "status": {"Temp": "BadSensorFailure"}, "add": "Late", "at": 1700000000.5 (source time)}
"use strict";
const fs = require("fs");
const readline = require("readline");
const {
  OPCUAServer, OPCUACertificateManager, Variant, DataType, VariantArrayType, StatusCodes, DataValue, MessageSecurityMode, SecurityPolicy,
  coerceLocalizedText, coerceQualifiedName,
} = require("node-opcua");

const options = Object.assign({ before: 0, none: true, load: 0, sessions: 10 }, JSON.parse(process.argv[2]));
const URI = "urn:peer:press";

const values = {
  Temp: [DataType.Double, 21.5],
  Float: [DataType.Float, 0.25],
  SByte: [DataType.SByte, -5],
  Int16: [DataType.Int16, -12345],
  UInt32: [DataType.UInt32, 4294967295],
  Int64: [DataType.Int64, [0x7fffffff, 0xffffffff]],
  UInt64: [DataType.UInt64, [0, 77]],
  Boolean: [DataType.Boolean, true],
  String: [DataType.String, "grün & schön"],
  Bytes: [DataType.ByteString, Buffer.from([0, 1, 254, 255])],
  DateTime: [DataType.DateTime, new Date(Date.UTC(2024, 1, 29, 12, 30, 15, 250))],
  Guid: [DataType.Guid, "72962B91-FA75-4AE6-8D28-B404DC7DAF63"],
  Text: [DataType.LocalizedText, coerceLocalizedText("Presse")],
  Name: [DataType.QualifiedName, coerceQualifiedName({ namespaceIndex: 0, name: "Presse" })],
  Nothing: [DataType.Null, null],
  Infinite: [DataType.Double, Infinity],
  Mode: [DataType.Int32, 2],
};

async function main() {
  fs.mkdirSync(options.pki, { recursive: true });
  const server = new OPCUAServer({
    port: options.port,
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    allowAnonymous: true,
    serverCertificateManager: new OPCUACertificateManager({ rootFolder: options.pki, automaticallyAcceptUnknownCertificate: options.trust !== false }),
    userCertificateManager: new OPCUACertificateManager({ rootFolder: options.pki + "/users" }),
    securityPolicies: [SecurityPolicy.Basic256Sha256, SecurityPolicy.Aes128_Sha256_RsaOaep, SecurityPolicy.Aes256_Sha256_RsaPss].concat(options.none ? [SecurityPolicy.None] : []),
    securityModes: [MessageSecurityMode.Sign, MessageSecurityMode.SignAndEncrypt].concat(options.none ? [MessageSecurityMode.None] : []),
    disableDiscovery: false,
    serverCapabilities: { maxSessions: options.sessions, operationLimits: { maxNodesPerRead: 400, maxMonitoredItemsPerCall: 300, maxNodesPerBrowse: 50 } },
    buildInfo: { productName: "peer", buildNumber: "1", buildDate: new Date(0) },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  for (let i = 0; i < options.before; i++) space.registerNamespace(`urn:peer:other:${i}`);
  const own = space.registerNamespace(URI);
  const press = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Press", nodeId: "s=Press" });

  const variables = {};
  const add = (name, dataType, value, parent = press, nodeId = `s=Press.${name}`) => {
    const isArray = Array.isArray(value) && dataType !== DataType.Int64 && dataType !== DataType.UInt64;
    variables[name] = own.addVariable({
      componentOf: parent, browseName: name, nodeId, dataType: dataType === DataType.Null ? "BaseDataType" : dataType,
      valueRank: isArray ? 1 : -1, minimumSamplingInterval: 10,
    });
    write(name, dataType, value);
  };
  const write = (name, dataType, value, status = StatusCodes.Good, at = new Date()) => {
    const arrayType = Array.isArray(value) && dataType !== DataType.Int64 && dataType !== DataType.UInt64 ? VariantArrayType.Array : VariantArrayType.Scalar;
    variables[name].setValueFromSource(new Variant({ dataType, arrayType, value }), status, at);
    values[name] = [dataType, value];
  };
  for (const [name, [dataType, value]] of Object.entries(values)) add(name, dataType, value);
  add("Curve", DataType.Double, [1.5, 2.5, 3.5]);
  add("Numeric", DataType.Double, 7.25, press, "i=100001");
  const sensors = own.addObject({ componentOf: press, browseName: "Sensors", nodeId: "s=Press.Sensors" });
  add("a/b", DataType.Double, 5, sensors, "s=slash");
  const other = space.registerNamespace("urn:peer:twin");
  for (const [namespace, value] of [[own, 1], [other, 2]]) {
    const twin = namespace.addVariable({ componentOf: sensors, browseName: "Twin", nodeId: "s=Twin", dataType: "Double" });
    twin.setValueFromSource(new Variant({ dataType: DataType.Double, value }));
  }
  const hidden = own.addVariable({
    componentOf: press, browseName: "Hidden", nodeId: "s=Hidden", dataType: "Double", accessLevel: "CurrentWrite", userAccessLevel: "CurrentWrite",
  });
  hidden.setValueFromSource(new Variant({ dataType: DataType.Double, value: 1 }));
  const load = own.addObject({ organizedBy: space.rootFolder.objects, browseName: "Load", nodeId: "s=Load" });
  for (let i = 0; i < options.load; i++) add(`V${i}`, DataType.Double, 0, load, `i=${200000 + i}`);
  if (options.load) {
    let tick = 0;
    setInterval(() => { tick++; for (let i = 0; i < options.load; i++) write(`V${i}`, DataType.Double, tick + i / 10000); }, 100);
  }

  await server.start();
  process.stdout.write(JSON.stringify({ ready: options.port, index: own.index }) + "\n");

  const input = readline.createInterface({ input: process.stdin });
  input.on("line", (line) => {
    const command = JSON.parse(line);
    const at = command.at ? new Date(command.at * 1000) : new Date();
    for (const [name, value] of Object.entries(command.set || {})) write(name, values[name][0], value, StatusCodes.Good, at);
    for (const [name, status] of Object.entries(command.status || {})) write(name, ...values[name], StatusCodes[status]);
    if (command.add) add(command.add, DataType.Double, 1);
    process.stdout.write(JSON.stringify({ done: true }) + "\n");
  });
  input.on("close", async () => { await server.shutdown(10); process.exit(0); });
}

main().catch((error) => { console.error(error); process.exit(1); });
