/** `penstock profile`: how long batches of each size take. With `--output json` it writes a profile file. */
import type { Command } from 'commander';
import type { FunctionProfileBody, ProfileBody, ServedBody } from '../../api/index.ts';
import type { Doors } from '../doors.ts';
import { type ModelSource, nameFor, readSource, registerSource } from '../model-source.ts';
import { Progress } from '../progress.ts';
import { table } from '../table.ts';
import { type CommonOptions, type Session, verb } from '../verb.ts';
import { msText } from '../words.ts';

/** What the server answers. */
interface Known {
  readonly items: readonly ProfileBody[];
  readonly functions: readonly FunctionProfileBody[];
  readonly served: readonly ServedBody[];
}

interface ProfileOptions extends CommonOptions {
  readonly instanceType: string;
  readonly functions: boolean;
  readonly cached: boolean;
  readonly served: boolean;
}

export function addProfile(program: Command, doors: Doors): void {
  verb(program, doors, 'profile <model>', 'measure how long batches of each size take, and tell what they cost in functions')
    .with((command) =>
      command
        .option('--instance-type <type>', 'where to measure', 'local.1')
        .option('--functions', 'measure in functions of each memory size, too, where it is not known yet', false)
        .option('--cached', 'show what was measured before, measure nothing', false)
        .option('--served', 'show how it was while serving, measure nothing', false),
    )
    .runs(async (session, options: ProfileOptions, model: string) => {
      const source = await readSource(model, { registersOnly: false });
      const { name, ...known } = await profile(session, source, options);
      const texts = options.served
        ? known.served.map((served) => servedText(name, served))
        : known.items.map((measured) => profileText(name, measured));
      if (known.functions.length > 0 && !options.served) texts.push(functionsText(name, known.functions));
      const { profileFile } = await import('../../simulation/index.ts');
      session.print(profileFile(name, known, options.served), texts.join('\n'));
      return 0;
    });
}

async function profile(session: Session, source: ModelSource, options: ProfileOptions): Promise<Known & { name: string }> {
  const client = await session.client();
  const progress = new Progress(session.doors);
  const { version } = await registerSource(client, progress, source, nameFor(source), { reuse: true });
  const { name } = version;
  const path = `/groups/${encodeURIComponent(version.group)}/versions/${version.version}/profile`;
  if (options.served) {
    const known = await client.get<Known>(path);
    if (known.served.length === 0)
      session.remark(`${name} has not served fifty batches since the server started: --cached shows it as measured`);
    return { name, ...known };
  }
  if (options.cached) {
    const known = await client.get<Known>(path);
    if (known.items.length === 0) session.remark(`${name} is not measured yet: run it without --cached`);
    return { name, ...known };
  }
  try {
    progress.stage('measure', `${name} on ${options.instanceType}`);
    const measured = await client.post<ProfileBody>(path, { json: { instance_type: options.instanceType } });
    if (options.functions) {
      progress.stage('measure', `${name} in functions of each memory size`);
      await client.post(`${path}/functions`, { json: {} });
    }
    progress.done();
    return { name, items: [measured], functions: (await client.get<Known>(path)).functions, served: [] };
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

export function servedText(name: string, { executor, batches, service }: ServedBody): string {
  const rows = table(service, [
    { title: 'ROWS', cell: ({ b }) => b, align: 'right' },
    { title: 'P50', cell: (point) => msText(point.p50_ms), align: 'right' },
    { title: 'P95', cell: (point) => msText(point.p95_ms), align: 'right' },
    { title: 'P99', cell: (point) => msText(point.p99_ms), align: 'right' },
    { title: 'OF', cell: ({ samples }) => samples, align: 'right' },
    { title: 'BASIS', cell: ({ basis }) => basis },
  ]);
  const isMixed = service.some(({ basis }) => basis === 'measured');
  const note = isMixed ? 'measured: before it served, with a processor to itself; it served fewer than fifty batches of that size\n' : '';
  return `${name} on ${executor}, as it served ${batches} batches\n${rows}${note}`;
}

const basisTexts: Readonly<Record<FunctionProfileBody['basis'], string>> = {
  measured: '',
  derived: 'derived: from instance:local.1, by what a size lacks of a processor; --functions measures',
  unlimited: 'unlimited: this server cannot hold workers to their share of the processors, so every size runs as instance:local.1 does',
};

function functionsText(name: string, sizes: readonly FunctionProfileBody[]): string {
  const pointText = (point: FunctionProfileBody['service'][number] | undefined) => (point === undefined ? '' : msText(point.p50_ms));
  const rows = table(sizes, [
    { title: 'MEMORY', cell: ({ memory_mib }) => `${memory_mib} MiB`, align: 'right' },
    { title: 'P50(1)', cell: ({ service }) => pointText(service[0]), align: 'right' },
    { title: 'P50(MAX)', cell: ({ service }) => pointText(service.at(-1)), align: 'right' },
    { title: 'MAX', cell: ({ batch_max, fits }) => (fits ? batch_max : ''), align: 'right' },
    { title: 'PEAK', cell: ({ peak_memory_mib }) => `${Math.round(peak_memory_mib)} MiB`, align: 'right' },
    { title: 'COST/M(1)', cell: (size) => costText(size.cost_usd_per_million), align: 'right' },
    { title: 'COST/M(BEST)', cell: (size) => costText(size.best_cost_usd_per_million), align: 'right' },
    { title: 'BEST', cell: ({ best_batch }) => best_batch, align: 'right' },
    { title: 'BASIS', cell: ({ basis, fits }) => (fits ? basis : 'does not fit') },
  ]);
  const told = [...new Set(sizes.map(({ basis }) => basisTexts[basis]))].filter((text) => text !== '').map((text) => `${text}\n`);
  return `${name} in functions, cold start ${msText(sizes[0]?.cold_ms ?? 0)}\n${rows}${told.join('')}`;
}

function costText(usd: number | null): string {
  return usd === null ? '' : usd.toFixed(3);
}
