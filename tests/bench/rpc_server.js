// SPDX-License-Identifier: MIT
// grpc-js answering test.Echo/Unary with what it got: node rpc_server.js CERT KEY CA; prints the port.
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');

const [cert, key, ca] = process.argv.slice(2).map((path) => fs.readFileSync(path));
const same = (bytes) => bytes;
const server = new grpc.Server();
server.addService({
  Unary: {
    path: '/test.Echo/Unary', requestStream: false, responseStream: false,
    requestSerialize: same, requestDeserialize: same,
    responseSerialize: same, responseDeserialize: same,
  },
}, { Unary: (call, answer) => answer(null, call.request) });
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createSsl(
  ca, [{ cert_chain: cert, private_key: key }], true), (error, port) => {
  if (error) throw error;
  console.log(`port ${port}`);
});
