// SPDX-License-Identifier: MIT
// @grpc/grpc-js against a joblet: node client.js PORT PROTO-FOLDER CERT KEY CA. A line of TAP for
// each thing that was seen, the plan at the end.
'use strict';

const fs = require('fs');
const path = require('path');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');

const [port, protos, cert, key, ca] = process.argv.slice(2);
const definition = loader.loadSync(path.join(protos, 'joblet.proto'), {
  includeDirs: [protos], keepCase: true, longs: Number, enums: String, defaults: true, oneofs: true,
});
const joblet = grpc.loadPackageDefinition(definition).joblet;
const credentials = grpc.credentials.createSsl(
  fs.readFileSync(ca), fs.readFileSync(key), fs.readFileSync(cert));
const options = {
  'grpc.keepalive_time_ms': 500,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.max_send_message_length': 200 << 20,
};
const open = (service) => new joblet[service](`localhost:${port}`, credentials, options);
const jobs = open('JobService');
const networks = open('NetworkService');

let count = 0;
let failed = 0;
function check(name, good, detail = '') {
  count += 1;
  failed += good ? 0 : 1;
  console.log(`${good ? 'ok' : 'not ok'} ${count} - ${name}`);
  if (!good) console.log(`# ${JSON.stringify(detail)}`);
}

const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

// The reply, or the error with its code and details.
function call(client, method, request, ms = 60000) {
  return new Promise((resolve) => {
    client[method](request, { deadline: Date.now() + ms }, (error, reply) => {
      resolve(error || reply);
    });
  });
}

// Everything a stream brings, and how it ended.
function drain(stream) {
  return new Promise((resolve) => {
    const parts = [];
    stream.on('data', (part) => parts.push(part));
    stream.on('error', (error) => resolve({ parts, code: error.code, details: error.details }));
    stream.on('end', () => resolve({ parts, code: 0 }));
  });
}

async function output(uuid) {
  const { parts } = await drain(jobs.GetJobLogs({ uuid }));
  return Buffer.concat(parts.map((part) => part.payload)).toString();
}

async function lifeOfAJob() {
  const started = await call(jobs, 'RunJob', {
    command: 'sh', args: ['-c', 'echo "$A"; cat data | wc -c; exit 3'], max_memory: 64,
    environment: { A: 'caf\u00e9' }, secret_environment: { S: 'hidden' },
    uploads: [{ path: 'data', content: Buffer.alloc(3 << 20), mode: 0o644 }],
  });
  check('RunJob', /^[0-9a-f-]{36}$/.test(started.job_uuid), started);
  const text = await output(started.job_uuid);
  check('GetJobLogs brings all of it', text === `caf\u00e9\n${3 << 20}\n`, text);
  const job = await call(jobs, 'GetJobStatus', { uuid: started.job_uuid });
  check('GetJobStatus', job.status === 'FAILED' && job.exit_code === 3 &&
    job.environment.A === 'caf\u00e9' && job.secret_environment.S === '***', job);
  const list = await call(jobs, 'ListJobs', {});
  check('ListJobs', list.jobs.some((one) => one.uuid === started.job_uuid), list);
  const gone = await call(jobs, 'DeleteJob', { uuid: started.job_uuid });
  check('DeleteJob', gone.success, gone);
  const missing = await call(jobs, 'GetJobStatus', { uuid: started.job_uuid });
  check('what is not there is NOT_FOUND, with a sentence',
    missing.code === grpc.status.NOT_FOUND && missing.details.includes(started.job_uuid), missing);
}

async function endsOfJobs() {
  const { job_uuid: uuid } = await call(jobs, 'RunJob', { command: 'sleep', args: ['1000'] });
  const stopped = await call(jobs, 'StopJob', { uuid });
  check('StopJob', stopped.status === 'STOPPED', stopped);
  const later = await call(jobs, 'RunJob', { command: 'true', schedule: '1h' });
  const canceled = await call(jobs, 'CancelJob', { uuid: later.job_uuid });
  check('CancelJob', canceled.status === 'CANCELED', canceled);
  const all = await call(jobs, 'DeleteAllJobs', {});
  check('DeleteAllJobs', all.success && all.deleted_count >= 2, all);
  const empty = await call(jobs, 'RunJob', { command: '' });
  check('a bad request is INVALID_ARGUMENT', empty.code === grpc.status.INVALID_ARGUMENT, empty);
  for (const method of ['StreamJobMetrics', 'GetJobMetrics', 'StreamJobTelematics',
    'GetJobTelematics']) {
    const end = await drain(jobs[method]({ job_uuid: uuid }));
    check(`${method} is for later`, end.code === grpc.status.UNIMPLEMENTED, end);
  }
}

async function lifeOfANetwork() {
  const made = await call(networks, 'CreateNetwork', { name: 'lab', cidr: '10.91.0.0/24' });
  check('CreateNetwork', made.name === 'lab' && made.bridge, made);
  const again = await call(networks, 'CreateNetwork', { name: 'lab', cidr: '10.91.0.0/24' });
  check('twice is ALREADY_EXISTS', again.code === grpc.status.ALREADY_EXISTS, again);
  const list = await call(networks, 'ListNetworks', {});
  check('ListNetworks', list.networks.some((one) => one.cidr === '10.91.0.0/24'), list);
  const removed = await call(networks, 'RemoveNetwork', { name: 'lab' });
  check('RemoveNetwork', removed.success, removed);
  const unknown = await call(networks, 'RemoveNetwork', { name: 'lab' });
  check('without success when there is none', unknown.success === false, unknown);
}

// Messages until there is one with bytes in it.
function first(stream) {
  return new Promise((resolve, reject) => {
    stream.once('data', resolve);
    stream.once('error', reject);
  });
}

async function connections() {
  const { job_uuid: uuid } = await call(jobs, 'RunJob', {
    command: 'sh', args: ['-c', 'head -c 50000000 /dev/zero; sleep 1000'],
  });
  const { job_uuid: small } = await call(jobs, 'RunJob', {
    command: 'sh', args: ['-c', 'echo line; sleep 1000'],
  });
  const late = await call(jobs, 'StopJob', { uuid: 'nothing' }, -1);
  check('a deadline that has passed', late.code === grpc.status.DEADLINE_EXCEEDED, late);
  const overdue = await drain(jobs.GetJobLogs({ uuid: small }, { deadline: Date.now() + 300 }));
  check('a deadline ends a stream', overdue.code === grpc.status.DEADLINE_EXCEEDED, overdue.code);
  for (let i = 0; i < 300; i += 1) {
    const stream = jobs.GetJobLogs({ uuid: small });
    stream.on('error', () => {});
    await first(stream);
    stream.cancel();
  }
  check('300 cancels on a connection', (await call(jobs, 'ListJobs', {})).jobs.length > 0);
  const stalled = [];
  for (let i = 0; i < 10; i += 1) {
    const stream = jobs.GetJobLogs({ uuid });
    stream.on('error', () => {});
    await first(stream);
    stream.pause();
    stalled.push(stream);
  }
  // Several pings, with readers that do not read.
  await sleep(1500);
  check('readers that stall, and pings', (await call(jobs, 'ListJobs', {})).jobs.length > 0);
  stalled.forEach((stream) => stream.cancel());
  // And without a call, which servers of gRPC punish.
  await sleep(1500);
  check('pings without a call', (await call(jobs, 'ListJobs', {})).jobs.length > 0);
  const large = await call(jobs, 'RunJob', {
    command: 'true', uploads: [{ path: 'large', content: Buffer.alloc(60 << 20) }],
  });
  check('an upload too large is RESOURCE_EXHAUSTED',
    large.code === grpc.status.RESOURCE_EXHAUSTED, large);
  await call(jobs, 'StopJob', { uuid });
  await call(jobs, 'StopJob', { uuid: small });
}

async function main() {
  await lifeOfAJob();
  await endsOfJobs();
  await lifeOfANetwork();
  await connections();
  jobs.close();
  networks.close();
  console.log(`1..${count}`);
  process.exitCode = failed ? 1 : 0;
}

main();
