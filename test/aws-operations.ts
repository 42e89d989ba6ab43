/** The operations of the AWS services, without what they run on. */
import assert from 'node:assert/strict';
import {
  ApplicationAutoScaling,
  type AwsOperation,
  type AwsService,
  cloudtrailService,
  cloudWatchService,
  eventsService,
  iamService,
  logsService,
  type OperationRun,
  sagemakerService,
  stsService,
} from '../src/aws/index.ts';

/** Stands for a dependency: no operation of these services runs. */
const stub: object = new Proxy(() => stub, { get: () => stub });
const names = ['access', 'alarms', 'audit', 'clock', 'db', 'decisions', 'deployments', 'events', 'groups', 'log', 'objects', 'prices'];
const none = Object.fromEntries(
  [...names, 'registry', 'rules', 'store', 'training', 'transforms', 'tuning'].map((name) => [name, stub]),
) as never;

const services = [
  sagemakerService(none),
  new ApplicationAutoScaling(none),
  cloudWatchService(none),
  logsService(none),
  cloudtrailService(none),
  eventsService(none),
  stsService(none),
  iamService([]),
];

/** Each operation by service and name. */
export const awsOperations: Readonly<Record<string, Readonly<Record<string, AwsOperation>>>> = Object.fromEntries(
  services.map(({ name, operations }) => [name, operations]),
);

export function awsOperation(service: string, operation: string): AwsOperation {
  const row = awsOperations[service]?.[operation];
  assert(row !== undefined, `${service} has no operation ${operation}`);
  return row;
}

/** A service whose operations have the actions and the audit of the real ones, and run `runs`. */
export function awsServiceRunning(name: AwsService['name'], runs: Readonly<Record<string, OperationRun>>): AwsService {
  const rows = Object.entries(runs).map(([operation, run]): [string, AwsOperation] => [
    operation,
    { ...awsOperation(name, operation), run },
  ]);
  return { name, operations: Object.fromEntries(rows) };
}
