/**
 * A real Penstock server and AWS's own unmodified clients: the SDK for JavaScript, two generations of boto3, and awscli. They differ from
 * an AWS user's in the endpoint URL and the key alone.
 */
import assert from 'node:assert/strict';
import { type ExecFileException, execFile } from 'node:child_process';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { ApplicationAutoScalingClient } from '@aws-sdk/client-application-auto-scaling';
import { CloudTrailClient } from '@aws-sdk/client-cloudtrail';
import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { S3Client } from '@aws-sdk/client-s3';
import { SageMakerClient } from '@aws-sdk/client-sagemaker';
import { SageMakerRuntimeClient } from '@aws-sdk/client-sagemaker-runtime';
import { STSClient } from '@aws-sdk/client-sts';
import { plainEnvironment, Server, type ServerOptions } from '../../end-to-end/server.ts';
import { checkResults } from '../check-results.ts';
import { recordAwscli, recordClient } from './coverage/recording.ts';
import { awscli, type Generation, pythonEnvironment, type SdkGeneration } from './environments.ts';

export const region = 'us-east-1';
export const account = '000000000000';

/** 40 calls of awscli take 90 s on a busy machine, the pipelines of an SDK seven minutes. */
const runMsMax = 840_000;

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class AwsFixture {
  readonly server: Server;
  /** A key with the role admin. */
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly sagemaker: SageMakerClient;
  readonly runtime: SageMakerRuntimeClient;
  readonly s3: S3Client;
  readonly sts: STSClient;
  readonly scaling: ApplicationAutoScalingClient;
  readonly cloudwatch: CloudWatchClient;
  readonly logs: CloudWatchLogsClient;
  readonly events: EventBridgeClient;
  readonly trail: CloudTrailClient;

  private constructor(server: Server) {
    this.server = server;
    const [accessKeyId = '', secretAccessKey = ''] = server.adminKey.split(':');
    this.credentials = { accessKeyId, secretAccessKey };
    // No retries, so tests see the first response.
    const config = { endpoint: server.url, region, credentials: this.credentials, maxAttempts: 1 };
    this.sagemaker = new SageMakerClient(config);
    this.runtime = new SageMakerRuntimeClient(config);
    this.s3 = new S3Client(config);
    this.sts = new STSClient(config);
    this.scaling = new ApplicationAutoScalingClient(config);
    this.cloudwatch = new CloudWatchClient(config);
    this.logs = new CloudWatchLogsClient(config);
    this.events = new EventBridgeClient(config);
    this.trail = new CloudTrailClient(config);
    recordClient('sagemaker', this.sagemaker);
    recordClient('sagemaker-runtime', this.runtime);
    recordClient('s3', this.s3);
    recordClient('sts', this.sts);
    recordClient('application-autoscaling', this.scaling);
    recordClient('cloudwatch', this.cloudwatch);
    recordClient('logs', this.logs);
    recordClient('events', this.events);
    recordClient('cloudtrail', this.trail);
  }

  static async open(options: ServerOptions = {}): Promise<AwsFixture> {
    return new AwsFixture(await Server.start(options));
  }

  async close(): Promise<void> {
    const observing = [this.cloudwatch, this.logs, this.events, this.trail];
    for (const client of [this.sagemaker, this.runtime, this.s3, this.sts, this.scaling, ...observing]) client.destroy();
    await this.server.end();
  }

  /** The environment of an AWS user's shell for this server, without AWS settings of the machine. */
  get environment(): Record<string, string> {
    const plain = Object.entries(plainEnvironment()).filter(([name]) => !name.startsWith('AWS_') && !name.startsWith('PYTHON'));
    return {
      ...Object.fromEntries(plain),
      AWS_ENDPOINT_URL: this.server.url,
      AWS_ACCESS_KEY_ID: this.credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: this.credentials.secretAccessKey,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
      AWS_PAGER: '',
      PYTHONDONTWRITEBYTECODE: '1',
    };
  }

  /** Runs a program with this environment. Resolves whatever its exit code. */
  run(command: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ran> {
    const [file, ...argv] = command;
    assert(file !== undefined);
    const options = { env: { ...this.environment, ...env }, timeout: runMsMax, maxBuffer: 64 * 2 ** 20 };
    return new Promise((resolve) => {
      execFile(file, argv, options, (error: ExecFileException | null, stdout, stderr) => {
        const why = error !== null && typeof error.code !== 'number' ? `${stderr}\n${error.message}` : stderr;
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : -1, stdout, stderr: why });
      });
    });
  }

  /** Runs `aws …`. Skips the test if that awscli is not installed. */
  async cli(t: TestContext, major: 1 | 2, argv: readonly string[]): Promise<Ran | null> {
    const command = await awscli(major);
    if (typeof command === 'string') {
      t.skip(command);
      return null;
    }
    const ran = await this.run([...command, ...argv], { AWS_MAX_ATTEMPTS: '1' });
    recordAwscli(major, argv, ran);
    return ran;
  }

  /**
   * Runs the Python checks in `python/NAME` with that version of boto3; each check becomes a subtest. The file reads `provided` from `given`.
   * Skips the test if boto3 is not available.
   */
  async python(
    t: TestContext,
    generation: Generation | SdkGeneration,
    name: string,
    provided: Readonly<Record<string, string>> = {},
  ): Promise<void> {
    const environment = await pythonEnvironment(generation);
    if (typeof environment === 'string') return t.skip(environment);
    const folder = join(import.meta.dirname, 'python');
    const pairs = Object.entries(provided).map(([key, value]) => `${key}=${value}`);
    const ran = await this.run([join(environment.bin, 'python'), join(folder, 'checks.py'), join(folder, name), ...pairs]);
    const results = checkResults(ran.stdout);
    for (const { promise, trouble } of results) await t.test(promise, () => assert.equal(trouble, null));
    assert(ran.code === 0 && results.length > 0, `${name} ended with ${ran.code} after ${results.length} checks: ${ran.stderr}`);
  }
}
