/** `penstock profile`: how long batches of each size take. With `--output json` it writes a profile file. */
import type { Command } from 'commander';
import type { ProfileBody } from '../../api/index.ts';
import type { Doors } from '../doors.ts';
import { type ModelSource, nameFor, readSource, registerSource } from '../model-source.ts';
import { Progress } from '../progress.ts';
import { table } from '../table.ts';
import { type CommonOptions, type Session, verb } from '../verb.ts';
import { msText } from '../words.ts';

interface ProfileOptions extends CommonOptions {
  readonly instanceType: string;
  readonly cached: boolean;
}

/** What a request costs beside its batch: the gateway's own time, as the simulator and the what-if plans reckon it. */
const overheadMs = 0.2;

export function addProfile(program: Command, doors: Doors): void {
  verb(program, doors, 'profile <model>', 'measure how long batches of each size take')
    .with((command) =>
      command
        .option('--instance-type <type>', 'where to measure', 'local.1')
        .option('--cached', 'show what was measured before, measure nothing', false),
    )
    .runs(async (session, options: ProfileOptions, model: string) => {
      const source = await readSource(model, { registersOnly: false });
      const { name, profiles } = await profile(session, source, options);
      session.print(profileFile(name, profiles), profiles.map((measured) => profileText(name, measured)).join('\n'));
      return 0;
    });
}

async function profile(
  session: Session,
  source: ModelSource,
  options: ProfileOptions,
): Promise<{ name: string; profiles: readonly ProfileBody[] }> {
  const client = await session.client();
  const progress = new Progress(session.doors);
  const { version } = await registerSource(client, progress, source, nameFor(source), { reuse: true });
  const path = `/groups/${encodeURIComponent(version.group)}/versions/${version.version}/profile`;
  if (options.cached) {
    const { items } = await client.get<{ items: readonly ProfileBody[] }>(path);
    if (items.length === 0) session.remark(`${version.name} is not measured yet: run it without --cached`);
    return { name: version.name, profiles: items };
  }
  try {
    progress.stage('measure', `${version.name} on ${options.instanceType}`);
    const measured = await client.post<ProfileBody>(path, { json: { instance_type: options.instanceType } });
    progress.done();
    return { name: version.name, profiles: [measured] };
  } catch (error) {
    progress.fail();
    throw error;
  }
}

function profileText(name: string, profile: ProfileBody): string {
  const rows = table(profile.service, [
    { title: 'ROWS', cell: (point) => point.b, align: 'right' },
    { title: 'P50', cell: (point) => msText(point.p50_ms), align: 'right' },
    { title: 'P95', cell: (point) => msText(point.p95_ms), align: 'right' },
    { title: 'P99', cell: (point) => msText(point.p99_ms), align: 'right' },
    { title: 'ROWS/S', cell: (point) => Math.round((point.b / point.p50_ms) * 1000), align: 'right' },
    { title: 'MEMORY', cell: (point) => `${Math.round(point.rss_mib)} MiB`, align: 'right' },
  ]);
  const notes = profile.notes.map((note) => `${note}\n`).join('');
  return `${name} on ${profile.executor}, loaded in ${msText(profile.load_ms)}\n${rows}${notes}`;
}

/** The profile file that plans and simulations read. */
function profileFile(name: string, profiles: readonly ProfileBody[]): unknown {
  const serviceOf = (profile: ProfileBody) =>
    profile.service.map(({ b, p50_ms, p95_ms, p99_ms }) => ({ b, p50Ms: p50_ms, p95Ms: p95_ms, p99Ms: p99_ms }));
  const on = (kind: string) =>
    profiles
      .filter((profile) => profile.executor.startsWith(`${kind}:`))
      .map((profile) => ({ profile, size: profile.executor.slice(kind.length + 1) }));
  return {
    name,
    overheadMs,
    types: Object.fromEntries(
      on('instance').map(({ profile, size }) => [size, { leadS: profile.load_ms / 1000, service: serviceOf(profile) }]),
    ),
    functions: on('function').map(({ profile, size }) => ({
      memoryMiB: Number(size),
      coldMs: profile.load_ms,
      networkMs: 0,
      service: serviceOf(profile),
    })),
  };
}
