/** CloudWatch on a virtual clock: the service with real metrics and alarms behind it. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Role } from '../src/access/index.ts';
import { type AlarmChange, Alarms, webhookUrl } from '../src/alerts/index.ts';
import { cloudWatchService } from '../src/aws/cloudwatch/cloudwatch-service.ts';
import { AwsError, type AwsOutput } from '../src/aws/service.ts';
import { checkInput } from '../src/aws/shapes/check-input.ts';
import { shapesOf } from '../src/aws/shapes/shapes.ts';
import { VirtualClock } from '../src/clock.ts';
import { PlatformError } from '../src/errors.ts';
import { openLogs } from '../src/logs/index.ts';
import { MetricStore } from '../src/metrics/index.ts';
import { Events } from '../src/records/index.ts';
import { openMemoryDatabase } from './empty-database.ts';
import { temporaryDirectory } from './end-to-end/server.ts';

export const nowMs = Date.UTC(2026, 10, 24, 12);

/** The only scaling policy. */
export const stepPolicy =
  'arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:1:resource/sagemaker/endpoint/digits/variant/AllTraffic:policyName/step';

export async function openCloudWatch(t: TestContext) {
  const { db, close } = await openMemoryDatabase();
  const clock = new VirtualClock(nowMs);
  const events = new Events(db, clock);
  const store = new MetricStore({ db, clock, onFailure: (error) => assert.fail(String(error)) });
  await store.open();
  const acted: (Pick<AlarmChange, 'datapoint'> & { readonly action: string; readonly state: string })[] = [];
  const alarms = new Alarms({
    db,
    clock,
    events,
    store,
    act: async (action, { alarm, datapoint }) => {
      acted.push({ action, state: alarm.state, datapoint });
      return 'done';
    },
    isRepeated: (action) => action.includes(':scalingPolicy:'),
    onFailure: (alarm, error) => assert.fail(`${alarm}: ${String(error)}`),
  });
  await alarms.open();
  const logs = openLogs(temporaryDirectory(), 'error', { clock });
  const actionTargets = { isTopic: () => false, isStepPolicy: async (arn: string) => arn === stepPolicy, checkUrl: webhookUrl };
  const service = cloudWatchService({ db, clock, store, alarms, actionTargets, log: logs.platform });
  t.after(async () => {
    await alarms.close();
    await store.close();
    await logs.close();
    await close();
  });
  const shapes = shapesOf('cloudwatch');
  /** Times in the input are epoch seconds, as on the wire. */
  const ask = async (operation: string, input: Record<string, unknown>, role: Role = 'admin'): Promise<AwsOutput> => {
    const row = service.operations[operation];
    assert(row !== undefined, operation);
    const call = {
      account: '000000000000',
      region: 'us-east-1',
      operation,
      caller: { keyId: 'AKIA', role },
      requestId: 'r',
      remoteAddress: undefined,
      userAgent: undefined,
      signal: new AbortController().signal,
    };
    return row.run(checkInput(shapes.operation(operation)?.input ?? null, structuredClone(input)), call);
  };
  /** `Code: message` of the error of a call. */
  const refusal = async (operation: string, input: Record<string, unknown>): Promise<string> => {
    const error: unknown = await ask(operation, input).then(
      () => assert.fail(`${operation} was not rejected`),
      (thrown: unknown) => thrown,
    );
    assert(error instanceof AwsError || error instanceof PlatformError, String(error));
    return `${error.code}: ${error.message}`;
  };
  return { db, clock, store, alarms, acted, ask, refusal };
}
