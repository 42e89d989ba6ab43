/** A listener with nothing behind it but the door of AWS's services, and a key to it: for tests of what travels. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Access, type Role } from '../src/access/index.ts';
import { AwsDoor, type AwsDoorOptions, type AwsService, type AwsStreamService, stsService } from '../src/aws/index.ts';
import { type Clock, SystemClock } from '../src/clock.ts';
import { Listener, type ListenerLimits } from '../src/http/index.ts';
import { openLogs } from '../src/monitoring/index.ts';

export interface OpenDoorOptions {
  readonly services?: readonly AwsService[];
  readonly streams?: readonly AwsStreamService[];
  readonly clock?: Pick<Clock, 'wallMs'>;
  /** Else a new one is made. */
  readonly key?: { readonly id: string; readonly secret: string };
  readonly role?: Role;
  readonly limits?: AwsDoorOptions['limits'];
  readonly onDone?: AwsDoorOptions['onDone'];
  readonly onRefused?: AwsDoorOptions['onRefused'];
  readonly writeAccess?: AwsDoorOptions['writeAccess'];
  readonly listenerLimits?: Partial<ListenerLimits>;
}

export const place = { account: '123456789012', region: 'eu-central-1' };

export async function openAwsDoor(options: OpenDoorOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'penstock-aws-'));
  const clock = options.clock ?? new SystemClock();
  const keysFile = join(directory, 'keys.json');
  if (options.key !== undefined) {
    const key = { ...options.key, role: 'admin', description: '', createdAtMs: 0 };
    writeFileSync(keysFile, JSON.stringify({ keys: [key] }));
  }
  const access = Access.open(keysFile, new SystemClock());
  const key = options.key ?? access.create(options.role ?? 'admin');
  const log = openLogs(null, 'silent').platform;
  const { listenerLimits: limits = {} } = options;
  const listener = new Listener({ host: '127.0.0.1', port: 0, tls: null, access, log, clock: new SystemClock(), limits });
  const door = new AwsDoor({
    services: [stsService(), ...(options.services ?? [])],
    streams: options.streams ?? [],
    access,
    clock,
    log,
    place,
    budget: listener.bodies.budget,
    ...(options.writeAccess === undefined ? {} : { writeAccess: options.writeAccess }),
    ...(options.onDone === undefined ? {} : { onDone: options.onDone }),
    ...(options.onRefused === undefined ? {} : { onRefused: options.onRefused }),
    ...(options.limits === undefined ? {} : { limits: options.limits }),
  });
  door.mount(listener);
  listener.scope('', (app) => {
    app.get('/', () => 'the front page');
  });
  const url = await listener.listen();
  return {
    url,
    listener,
    access,
    door,
    key,
    /** What clients of the SDK for JavaScript are made with. */
    client: {
      endpoint: url,
      region: place.region,
      credentials: { accessKeyId: key.id, secretAccessKey: key.secret },
      maxAttempts: 1,
    },
    async close(): Promise<void> {
      await listener.close();
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

export type OpenAwsDoor = Awaited<ReturnType<typeof openAwsDoor>>;
