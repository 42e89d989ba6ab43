/** `penstock profile`: measures service times by batch size. `--output json` writes a profile file. */

import type { Command } from 'commander';
import type { FunctionProfileBody, ProfileBody, ServedBody } from '../../../api/index.ts';
import { instanceTypeDefault } from '../../../fields/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { type ModelSource, nameFor, readSource, registerSource } from '../../models/model-source.ts';
import { formatMsText } from '../../output/format.ts';
import { Progress } from '../../output/progress.ts';
import { table } from '../../output/table.ts';
import { type CommonOptions, type VerbSession, verb } from '../../verb.ts';

/** The response body. */
interface ProfilesBody {
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

export function addProfile(program: Command, context: CliContext): void {
  verb(program, context, 'profile <model>', 'measure service times by batch size, and show the cost on functions')
    .with((command) =>
      command
        .option('--instance-type <type>', 'instance type to measure on', instanceTypeDefault)
        .option('--functions', 'also measure on functions of each memory size that was not measured yet', false)
        .option('--cached', 'show earlier measurements without measuring', false)
        .option('--served', 'show service times observed while serving, without measuring', false),
    )
    .runs(async (session, options: ProfileOptions, model: string) => {
      const source = await readSource(model, { registersOnly: false });
      const { name, ...known } = await profile(session, source, options);
      const texts = options.served
        ? known.served.map((served) => servedText(name, served))
        : known.items.map((measured) => profileText(name, measured));
      if (known.functions.length > 0 && !options.served) texts.push(functionsText(name, known.functions));
      const { profileFile } = await import('../../../simulation/index.ts');
      session.print(profileFile(name, known, options.served), texts.join('\n'));
      return 0;
    });
}

async function profile(session: VerbSession, source: ModelSource, options: ProfileOptions): Promise<ProfilesBody & { name: string }> {
  const client = await session.client();
  const progress = new Progress(session.context);
  const { version } = await registerSource(client, progress, source, nameFor(source), { reuse: true });
  const { name } = version;
  const path = `/groups/${encodeURIComponent(version.group)}/versions/${version.version}/profile`;
  if (options.served) {
    const known = await client.get<ProfilesBody>(path);
    if (known.served.length === 0)
      session.remark(`${name} has served fewer than 50 batches since the server started: use --cached to see its measured profile`);
    return { name, ...known };
  }
  if (options.cached) {
    const known = await client.get<ProfilesBody>(path);
    if (known.items.length === 0) session.remark(`${name} has not been measured yet: run this without --cached`);
    return { name, ...known };
  }
  try {
    progress.stage('measure', `${name} on ${options.instanceType}`);
    const measured = await client.post<ProfileBody>(path, { json: { instance_type: options.instanceType } });
    if (options.functions) {
      progress.stage('measure', `${name} on functions of each memory size`);
      await client.post(`${path}/functions`, { json: {} });
    }
    progress.done();
    return { name, items: [measured], functions: (await client.get<ProfilesBody>(path)).functions, served: [] };
  } catch (error) {
    progress.fail();
    throw error;
  }
}

function profileText(name: string, profile: ProfileBody): string {
  const rows = table(profile.service, [
    { title: 'ROWS', cell: (point) => point.b, align: 'right' },
    { title: 'P50', cell: (point) => formatMsText(point.p50_ms), align: 'right' },
    { title: 'P95', cell: (point) => formatMsText(point.p95_ms), align: 'right' },
    { title: 'P99', cell: (point) => formatMsText(point.p99_ms), align: 'right' },
    { title: 'ROWS/S', cell: (point) => Math.round((point.b / point.p50_ms) * 1000), align: 'right' },
    { title: 'MEMORY', cell: (point) => `${Math.round(point.rss_mib)} MiB`, align: 'right' },
  ]);
  const notes = profile.notes.map((note) => `${note}\n`).join('');
  return `${name} on ${profile.executor}, loaded in ${formatMsText(profile.load_ms)}\n${rows}${notes}`;
}

export function servedText(name: string, { executor, batches, service }: ServedBody): string {
  const rows = table(service, [
    { title: 'ROWS', cell: ({ b }) => b, align: 'right' },
    { title: 'P50', cell: (point) => formatMsText(point.p50_ms), align: 'right' },
    { title: 'P95', cell: (point) => formatMsText(point.p95_ms), align: 'right' },
    { title: 'P99', cell: (point) => formatMsText(point.p99_ms), align: 'right' },
    { title: 'SAMPLES', cell: ({ samples }) => samples, align: 'right' },
    { title: 'BASIS', cell: ({ basis }) => basis },
  ]);
  const isMixed = service.some(({ basis }) => basis === 'measured');
  const note = isMixed ? 'measured: profiled on an idle processor, because fewer than 50 batches of that size were served\n' : '';
  return `${name} on ${executor}, observed over ${batches} served batches\n${rows}${note}`;
}

const basisTexts: Readonly<Record<FunctionProfileBody['basis'], string>> = {
  measured: '',
  derived: 'derived: computed from instance:local.1 and the CPU share of the size; use --functions to measure',
  unlimited: 'unlimited: this server cannot limit the CPU share of workers, so every size runs like instance:local.1',
};

function functionsText(name: string, sizes: readonly FunctionProfileBody[]): string {
  const pointText = (point: FunctionProfileBody['service'][number] | undefined) => (point === undefined ? '' : formatMsText(point.p50_ms));
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
  const notes = [...new Set(sizes.map(({ basis }) => basisTexts[basis]))].filter((text) => text !== '').map((text) => `${text}\n`);
  return `${name} on functions, cold start ${formatMsText(sizes[0]?.cold_ms ?? 0)}\n${rows}${notes.join('')}`;
}

function costText(usd: number | null): string {
  return usd === null ? '' : usd.toFixed(3);
}
