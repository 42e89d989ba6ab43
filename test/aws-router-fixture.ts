/** A listener with only the AWS router behind it, and a key for it: for tests of the wire format. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Access, type Role } from '../src/access/index.ts';
import { AwsRouter, type AwsRouterOptions, type AwsService, type AwsStreamService, iamService, stsService } from '../src/aws/index.ts';
import { type Clock, SystemClock } from '../src/clock.ts';
import { Listener, type ListenerLimits } from '../src/http/index.ts';
import { openLogs } from '../src/logs/index.ts';
import { awsOperations } from './aws-operations.ts';

export interface AwsRouterFixtureOptions {
  readonly services?: readonly AwsService[];
  readonly streams?: readonly AwsStreamService[];
  readonly clock?: Pick<Clock, 'wallMs'>;
  /** Default: a new one. */
  readonly key?: { readonly id: string; readonly secret: string };
  readonly role?: Role;
  readonly limits?: AwsRouterOptions['limits'];
  readonly onDone?: AwsRouterOptions['onDone'];
  readonly onRefused?: AwsRouterOptions['onRefused'];
  readonly writeAccess?: AwsRouterOptions['writeAccess'];
  readonly listenerLimits?: Partial<ListenerLimits>;
}

export const awsLocation = { account: '123456789012', region: 'eu-central-1' };

export async function openAwsRouter(options: AwsRouterFixtureOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-aws-'));
  const clock = options.clock ?? new SystemClock();
  const keysFile = join(directory, 'keys.json');
  if (options.key !== undefined) {
    const key = { ...options.key, role: 'admin', description: '', createdAtMs: 0 };
    writeFileSync(keysFile, JSON.stringify({ keys: [key] }));
  }
  const access = Access.open(keysFile, Object.assign(new SystemClock(), { wallMs: () => clock.wallMs() }));
  const key = options.key ?? access.create(options.role ?? 'admin');
  const log = openLogs(null, 'silent').platform;
  const { listenerLimits: limits = {} } = options;
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls: null, access, log, clock: new SystemClock(), limits });
  const router = new AwsRouter({
    services: [
      stsService({ access, clock }),
      iamService(Object.entries(awsOperations).map(([name, operations]) => ({ name: name as AwsService['name'], operations }))),
      ...(options.services ?? []),
    ],
    streams: options.streams ?? [],
    access,
    clock,
    log,
    awsLocation,
    budget: listener.bodies.budget,
    ...(options.writeAccess === undefined ? {} : { writeAccess: options.writeAccess }),
    ...(options.onDone === undefined ? {} : { onDone: options.onDone }),
    ...(options.onRefused === undefined ? {} : { onRefused: options.onRefused }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  router.mount(listener);
  listener.scope('', (app) => {
    app.get('/', () => 'the front page');
  });
  const url = await listener.listen();
  return {
    url,
    listener,
    access,
    door: router,
    key,
    /** Options for clients of the SDK for JavaScript. */
    client: {
      endpoint: url,
      region: awsLocation.region,
      credentials: { accessKeyId: key.id, secretAccessKey: key.secret },
      maxAttempts: 1,
    },
    async close(): Promise<void> {
      await listener.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export type AwsRouterFixture = Awaited<ReturnType<typeof openAwsRouter>>;
