/** Clients of every kind that change things continuously and keep a journal, for tests that inject faults. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CloudWatchClient, DeleteAlarmsCommand, DescribeAlarmsCommand, PutMetricAlarmCommand } from '@aws-sdk/client-cloudwatch';
import {
  CompleteMultipartUploadCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import type { AsyncBody, EndpointBody, TransformBody, VersionBody } from '../../src/api/index.ts';
import { until } from '../end-to-end/poll.ts';
import type { Server } from '../end-to-end/server.ts';
import { modelPath, sample } from '../models/index.ts';
import { Journal, Rejected, Unknown } from './journal.ts';

export interface WorkloadOptions {
  /** The current server. */
  readonly server: () => Server;
  readonly random: () => number;
  /** For inputs and outputs of transform jobs. */
  readonly folder: string;
  /** Also runs slow operations: transform jobs and multipart uploads of 5 MiB. */
  readonly large?: boolean;
}

type Actor = () => Promise<unknown>;

const digits = sample('digits_mlp');
const pixels = new Float32Array(new Uint8Array(digits.inputs[0]?.data ?? []).buffer);
const labels = [2, 0, 4, 9, 4, 1, 2, 4];
const pauseMs = 30;
const transformsMax = 4;
const bucket = 'journal';

export class Workload {
  readonly journal: Journal = new Journal();
  /** `failed` counts inferences that ended with a broken connection or without an endpoint. */
  readonly inferences = { answered: 0, failed: 0 };
  /** Responses of 503 by API. */
  readonly unavailable = { native: 0, oip: 0, aws: 0 };
  readonly faults: string[] = [];
  readonly #options: WorkloadOptions;
  #isOver = false;
  #running: Promise<unknown> = Promise.resolve();
  #aws: { readonly url: string; readonly s3: S3Client; readonly cloudwatch: CloudWatchClient } | null = null;

  private constructor(options: WorkloadOptions) {
    this.#options = options;
  }

  /** Deploys what the clients need and starts them. The server must be empty. */
  static async start(options: WorkloadOptions): Promise<Workload> {
    const workload = new Workload(options);
    const server = options.server();
    await server.deploy('digits', 'digits_mlp', { instances: 2 });
    await workload.#clients().s3.send(new CreateBucketCommand({ Bucket: bucket }));
    mkdirSync(join(options.folder, 'in'), { recursive: true });
    const row = Array.from(pixels.subarray(0, 64)).join(',');
    writeFileSync(join(options.folder, 'in', 'rows.csv'), `${row}\n`.repeat(300));
    const actors = [workload.#infers(), workload.#infers(), workload.#submits(), workload.#submits(), ...workload.#changers()];
    workload.#running = Promise.all(actors.map((actor) => workload.#repeat(actor)));
    return workload;
  }

  /** Resolves when this many more changes and inferences are acknowledged. */
  async more(count: number): Promise<void> {
    const enough = this.journal.acknowledged + count;
    await until(`${count} more changes are acknowledged`, () => this.journal.acknowledged >= enough || this.faults.length > 0);
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
    assert.deepEqual(this.faults, []);
  }

  /** Waits for accepted work, and compares all acknowledged changes with the server. */
  async assertKept(): Promise<void> {
    await this.journal.assertKept((resource) => this.#read(resource));
    const server = this.#options.server();
    assert.equal((await server.callWell<{ broken: unknown }>('GET', '/audit/verification')).broken, null);
  }

  async #repeat(actor: Actor): Promise<void> {
    while (!this.#isOver) {
      try {
        await actor();
      } catch (error) {
        if (error instanceof Unknown || error instanceof Rejected) await pause(pauseMs);
        else {
          this.faults.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
          return;
        }
      }
    }
  }

  #infers(): Actor {
    return async () => {
      try {
        const at = Math.floor(this.#options.random() * 8);
        const body = { inputs: [{ name: 'pixels', datatype: 'FP32', shape: [1, 64], data: Array.from(row(at)) }] };
        const { status, headers, text } = await this.#fetch('POST', '/v2/models/digits/infer', body);
        // While a killed server restarts, its endpoint does not exist yet.
        if (status === 503) this.#checkUnavailable('oip', headers, text);
        assert.equal(status, 200, text);
        const { outputs } = JSON.parse(text) as { outputs: { name: string; data: number[] }[] };
        assert.equal(Number(outputs.find(({ name }) => name === 'label')?.data[0]), labels[at]);
        this.inferences.answered++;
      } catch (error) {
        if (error instanceof Unknown) this.inferences.failed++;
        throw error;
      }
    };
  }

  #submits(): Actor {
    return async () => {
      const at = Math.floor(this.#options.random() * 8);
      const accepted = await this.#call<AsyncBody>('POST', '/endpoints/digits/async', { instances: [Array.from(row(at))] });
      this.journal.set(`async/${accepted.id}`, `label ${labels[at]}`);
      await pause(pauseMs);
    };
  }

  #changers(): Actor[] {
    const { large = false } = this.#options;
    return [this.#groups(), this.#versions(), this.#endpoints(), this.#objects(), this.#alarms(), this.#keys(), this.#loads()].concat(
      large ? [this.#uploads(), this.#transforms()] : [],
    );
  }

  #groups(): Actor {
    let count = 0;
    return () => {
      const name = `g${count++}`;
      return this.journal.change(`group/${name}`, 'present', () => this.#call('POST', '/groups', { name }));
    };
  }

  #versions(): Actor {
    const file = readFileSync(modelPath('digits_logreg'));
    return async () => {
      const { version } = await this.#call<{ version: VersionBody }>('POST', '/groups/versions/versions?name=logreg.onnx', file);
      const resource = `version/${version.version}`;
      this.journal.set(resource, `PendingManualApproval ${version.artifact.sha256}`);
      const path = `/groups/versions/versions/${version.version}/approval`;
      await this.journal.change(resource, `Approved ${version.artifact.sha256}`, () => this.#call('POST', path, { approval: 'Approved' }));
      await pause(4 * pauseMs);
    };
  }

  /** Creates, updates and deletes one endpoint. Starting workers is slow, so one is enough. */
  #endpoints(): Actor {
    let timeoutMs = 1000;
    return async () => {
      const state = `timeout ${++timeoutMs}`;
      const what = this.#options.random();
      if (what < 0.2) await this.journal.change('endpoint/cycle', 'absent', () => this.#call('DELETE', '/endpoints/cycle'));
      else if (what < 0.5) {
        const body = { name: 'cycle', variants: [{ model: 'digits/1' }], timeout_ms: timeoutMs };
        await this.journal.change('endpoint/cycle', state, () => this.#call('POST', '/endpoints', body));
      } else await this.journal.change('endpoint/cycle', state, () => this.#call('PATCH', '/endpoints/cycle', { timeout_ms: timeoutMs }));
      await pause(4 * pauseMs);
    };
  }

  /** Uses the Open Inference Protocol. The endpoint may be absent, or deleted or changed concurrently. */
  #loads(): Actor {
    return async () => {
      const { status, headers, text } = await this.#fetch('POST', '/v2/repository/models/cycle/load', {});
      if (status === 503) this.#checkUnavailable('oip', headers, text);
      assert([200, 404, 409, 504].includes(status), `${status} ${text}`);
      await pause(20 * pauseMs);
    };
  }

  #objects(): Actor {
    return async () => {
      const { random } = this.#options;
      const key = `k${Math.floor(random() * 10)}`;
      if (random() < 0.2) {
        const command = new DeleteObjectCommand({ Bucket: bucket, Key: key });
        await this.journal.change(`object/${key}`, 'absent', () => this.#send(({ s3 }) => s3.send(command)));
        return;
      }
      // Small bodies are stored in rows, larger ones in files.
      const body = bytesOf(random, random() < 0.5 ? 500 : 50_000 + random() * 50_000);
      const command = new PutObjectCommand({ Bucket: bucket, Key: key, Body: body });
      await this.journal.change(`object/${key}`, sha256(body), () => this.#send(({ s3 }) => s3.send(command)));
    };
  }

  #uploads(): Actor {
    const first = bytesOf(this.#options.random, 5 * 2 ** 20);
    return async () => {
      const second = bytesOf(this.#options.random, 1000);
      const name = { Bucket: bucket, Key: 'multipart' };
      const { UploadId } = await this.#send(({ s3 }) => s3.send(new CreateMultipartUploadCommand(name)));
      const parts: { ETag: string | undefined; PartNumber: number }[] = [];
      for (const [i, Body] of [first, second].entries()) {
        const PartNumber = i + 1;
        const { ETag } = await this.#send(({ s3 }) => s3.send(new UploadPartCommand({ ...name, UploadId, PartNumber, Body })));
        parts.push({ ETag, PartNumber });
      }
      const command = new CompleteMultipartUploadCommand({ ...name, UploadId, MultipartUpload: { Parts: parts } });
      const whole = sha256(Buffer.concat([first, second]));
      await this.journal.change('object/multipart', whole, () => this.#send(({ s3 }) => s3.send(command)));
      await pause(10 * pauseMs);
    };
  }

  #alarms(): Actor {
    return async () => {
      const { random } = this.#options;
      const name = `a${Math.floor(random() * 4)}`;
      if (random() < 0.25) {
        const command = new DeleteAlarmsCommand({ AlarmNames: [name] });
        await this.journal.change(`alarm/${name}`, 'absent', () => this.#send(({ cloudwatch }) => cloudwatch.send(command)));
        return;
      }
      const threshold = Math.floor(random() * 1e6);
      const command = new PutMetricAlarmCommand({
        AlarmName: name,
        Namespace: 'AWS/SageMaker',
        MetricName: 'Invocations',
        Dimensions: [{ Name: 'EndpointName', Value: 'digits' }],
        Statistic: 'Sum',
        Period: 60,
        EvaluationPeriods: 1,
        ComparisonOperator: 'LessThanThreshold',
        Threshold: threshold,
      });
      await this.journal.change(`alarm/${name}`, `threshold ${threshold}`, () => this.#send(({ cloudwatch }) => cloudwatch.send(command)));
      await pause(pauseMs);
    };
  }

  #keys(): Actor {
    return async () => {
      const { id } = await this.#call<{ id: string }>('POST', '/keys', { role: 'viewer' });
      this.journal.set(`key/${id}`, 'present');
      if (this.#options.random() < 0.5) await this.journal.change(`key/${id}`, 'absent', () => this.#call('DELETE', `/keys/${id}`));
      await pause(4 * pauseMs);
    };
  }

  #transforms(): Actor {
    let count = 0;
    return async () => {
      if (count >= transformsMax) return pause(10 * pauseMs);
      const name = `t${count++}`;
      const { folder } = this.#options;
      const body = { name, model: 'digits/1', input: join(folder, 'in'), output: join(folder, name) };
      await this.journal.change(`transform/${name}`, 'Completed', () => this.#call('POST', '/transforms', body));
      await pause(20 * pauseMs);
    };
  }

  async #read(resource: string): Promise<string> {
    const [kind, name = ''] = resource.split('/');
    const server = this.#options.server();
    const status = async (path: string): Promise<number> => (await server.call('GET', path)).status;
    switch (kind) {
      case 'async':
        return until(`${name} has its outcome`, async () => {
          const { state } = await server.callWell<AsyncBody>('GET', `/async/${name}`);
          if (state !== 'succeeded') return state !== 'queued' && state;
          const { body } = await server.call<{ predictions: { label: number }[] }>('GET', `/async/${name}/output`);
          return `label ${body.predictions[0]?.label}`;
        });
      case 'group':
        return (await status(`/groups/${name}`)) === 200 ? 'present' : 'absent';
      case 'version': {
        const { status: code, body } = await server.call<VersionBody>('GET', `/groups/versions/versions/${name}`);
        return code === 200 ? `${body.approval} ${body.artifact.sha256}` : 'absent';
      }
      case 'endpoint': {
        const { status: code, body } = await server.call<EndpointBody>('GET', `/endpoints/${name}`);
        return code !== 200 || body.status === 'Deleting' ? 'absent' : `timeout ${body.timeout_ms}`;
      }
      case 'object':
        return this.#clients()
          .s3.send(new GetObjectCommand({ Bucket: bucket, Key: name }))
          .then(
            async ({ Body }) => sha256((await Body?.transformToByteArray()) ?? Buffer.alloc(0)),
            (error: Error) => (error.name === 'NoSuchKey' ? 'absent' : Promise.reject(error)),
          );
      case 'alarm': {
        const { MetricAlarms = [] } = await this.#clients().cloudwatch.send(new DescribeAlarmsCommand({ AlarmNames: [name] }));
        return MetricAlarms[0] === undefined ? 'absent' : `threshold ${MetricAlarms[0].Threshold}`;
      }
      case 'key': {
        for (let query = ''; ; ) {
          const { items, next } = await server.callWell<{ items: { id: string }[]; next: string | null }>('GET', `/keys${query}`);
          if (items.some(({ id }) => id === name)) return 'present';
          if (next === null) return 'absent';
          query = `?cursor=${encodeURIComponent(next)}`;
        }
      }
      default:
        return until(`transform ${name} has finished`, async () => {
          const { status: code, body } = await server.call<TransformBody>('GET', `/transforms/${name}`);
          if (code === 404) return 'absent';
          return body.state !== 'InProgress' && (body.state === 'Failed' ? `Failed: ${body.reason}` : body.state);
        });
    }
  }

  /** Calls the native API, which must succeed, reject the call, or return a well-formed `unavailable`. */
  async #call<Body>(method: string, path: string, body?: unknown): Promise<Body> {
    const { status, headers, text } = await this.#fetch(method, `/api/v1${path}`, body);
    if (status === 503) this.#checkUnavailable('native', headers, text);
    if (status >= 400 && status < 500) throw new Rejected(`${status} ${text}`);
    // A worker that inspects a model is killed like any other process: its registration fails, and says so.
    if (status === 500 && text.includes('killed by SIGKILL')) throw new Rejected(`${status} ${text}`);
    assert(status < 300, `${method} ${path}: ${status} ${text}`);
    return (text === '' ? null : JSON.parse(text)) as Body;
  }

  #checkUnavailable(api: 'native' | 'oip', headers: Headers, text: string): never {
    assert(Number(headers.get('retry-after')) >= 1, `no Retry-After: ${text}`);
    assert.equal((JSON.parse(text) as { code: string }).code, 'unavailable', text);
    this.unavailable[api]++;
    throw new Unknown(text);
  }

  async #fetch(
    method: string,
    path: string,
    body?: unknown,
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly text: string }> {
    const isFile = body instanceof Uint8Array;
    const type = { 'content-type': isFile ? 'application/octet-stream' : 'application/json' };
    try {
      const response = await fetch(`${this.#options.server().url}${path}`, {
        method,
        headers: body === undefined ? {} : type,
        ...(body === undefined ? {} : { body: isFile ? new Uint8Array(body) : JSON.stringify(body) }),
        signal: AbortSignal.timeout(30_000),
      });
      return { status: response.status, headers: response.headers, text: await response.text() };
    } catch (error) {
      // A running server must respond.
      assert.notEqual((error as Error).name, 'TimeoutError', `${method} ${path} had no response within 30 s`);
      throw new Unknown(String(error));
    }
  }

  async #send<T>(call: (clients: { readonly s3: S3Client; readonly cloudwatch: CloudWatchClient }) => Promise<T>): Promise<T> {
    try {
      return await call(this.#clients());
    } catch (error) {
      const { $metadata, $response } = error as {
        $metadata?: { httpStatusCode?: number };
        $response?: { headers?: Record<string, string> };
      };
      const status = $metadata?.httpStatusCode;
      if (status !== undefined && status >= 400 && status < 500) throw new Rejected(String(error));
      if (status === undefined) throw new Unknown(String(error));
      assert([500, 503].includes(status), String(error));
      assert(Number($response?.headers?.['retry-after']) >= 1, `no Retry-After: ${status} ${String(error)}`);
      this.unavailable.aws++;
      throw new Unknown(String(error));
    }
  }

  /** Clients for the current server. */
  #clients(): { readonly s3: S3Client; readonly cloudwatch: CloudWatchClient } {
    const { url, adminKey } = this.#options.server();
    if (this.#aws?.url === url) return this.#aws;
    const [accessKeyId = '', secretAccessKey = ''] = adminKey.split(':');
    const config = { endpoint: url, region: 'us-east-1', credentials: { accessKeyId, secretAccessKey }, maxAttempts: 1 };
    this.#aws = { url, s3: new S3Client({ ...config, forcePathStyle: true }), cloudwatch: new CloudWatchClient(config) };
    return this.#aws;
  }
}

function row(at: number): Float32Array {
  return pixels.subarray(at * 64, at * 64 + 64);
}

function bytesOf(random: () => number, length: number): Buffer {
  const word = Buffer.from(`${random()} `);
  return Buffer.alloc(Math.floor(length), word);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
