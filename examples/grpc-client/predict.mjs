/**
 * The Open Inference Protocol over gRPC from Node: @grpc/grpc-js, and the .proto files that come with Penstock.
 * PENSTOCK_GRPC is where gRPC is served, as `penstock status` tells it (default 127.0.0.1:8001).
 */
import { fileURLToPath } from 'node:url';
import { credentials, loadPackageDefinition, Metadata } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const protos = fileURLToPath(new URL('../../src/oip/grpc/', import.meta.url));
const { inference } = loadPackageDefinition(loadSync('grpc_service.proto', { keepCase: true, longs: String, includeDirs: [protos] }));
const client = new inference.GRPCInferenceService(process.env.PENSTOCK_GRPC ?? '127.0.0.1:8001', credentials.createInsecure());

/** A key where the server wants one: on this machine's own address it does not. */
const metadata = new Metadata();
if (process.env.PENSTOCK_KEY) metadata.set('authorization', `Bearer ${process.env.PENSTOCK_KEY}`);

/** Each call has a deadline: the server drops what is still waiting then. */
const call = (method, request) =>
  new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 5000 };
    client[method](request, metadata, options, (error, answer) => (error ? reject(error) : resolve(answer)));
  });

const { inputs } = await call('ModelMetadata', { name: 'digits' });
console.log('digits takes', inputs.map(({ name, datatype, shape }) => `${name} ${datatype} [${shape}]`).join(', '));

// One picture of 8 x 8 pixels, a vertical stroke: raw bytes in, raw bytes out.
const pixels = new Float32Array(64);
for (let row = 0; row < 8; row++) pixels[row * 8 + 4] = 16;
const answer = await call('ModelInfer', {
  model_name: 'digits',
  inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64] }],
  outputs: [{ name: 'label' }],
  raw_input_contents: [Buffer.from(pixels.buffer)],
});
console.log('it is a', answer.raw_output_contents[0].readBigInt64LE(0).toString());

// Strings, as typed contents: the answer is typed, too.
const text = { name: 'text', datatype: 'BYTES', shape: [2] };
const lines = ['UNSUBSCRIBE now guaranteed income work from home 100% free', 'Hi Tom the meeting moves to Thursday see the list archive'];
const { outputs } = await call('ModelInfer', {
  model_name: 'spam',
  inputs: [{ ...text, contents: { bytes_contents: lines.map((line) => Buffer.from(line)) } }],
  outputs: [{ name: 'label' }],
});
for (const [index, label] of outputs[0].contents.bytes_contents.entries()) console.log(`${label}:`, lines[index]);

await call('ModelInfer', { model_name: 'digits', inputs: [{ name: 'pixels', datatype: 'INT32', shape: [1, 64] }] }).catch(({ code, details }) =>
  console.log('refused with', code, details),
);
client.close();
