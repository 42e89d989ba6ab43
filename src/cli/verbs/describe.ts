/** `penstock describe`: everything about an endpoint, a model version or a model group. */
import type { Command } from 'commander';
import type { EndpointBody, EndpointUsageBody, GroupBody, ProfileBody, StatisticsBody, VariantBody, VersionBody } from '../../api/index.ts';
import { type Client, part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { Failure, Refusal } from '../failure.ts';
import { versionPath } from '../model-source.ts';
import { runtimeFields } from '../process-options.ts';
import { keptText } from '../promise-words.ts';
import { rolloutText } from '../rollout-options.ts';
import { fields, table } from '../table.ts';
import { batchingText, rangeText, readyText, scalingText, settingText, typeText } from '../variant-words.ts';
import { type CommonOptions, type Session, verb } from '../verb.ts';
import { bytesText, countText, msText, pairsText, shareText, tensorsText, timeText, usdText, utcText } from '../words.ts';

interface DescribeOptions extends CommonOptions {
  readonly group: boolean;
}

export function addDescribe(program: Command, doors: Doors): void {
  verb(program, doors, 'describe <endpoint|group/version|group>', 'tell everything about an endpoint, a version or a group')
    .with((command) => command.option('--group', 'the group, where an endpoint has the same name', false))
    .runs(async (session, { group }: DescribeOptions, name: string) => {
      const client = await session.client();
      if (group) {
        await describeGroup(session, client, name);
        return 0;
      }
      if (name.includes('/')) {
        const version = await client.get<VersionBody>(versionPath(name));
        const known = session.wantsJson ? null : await client.get<{ items: ProfileBody[] }>(`${versionPath(name)}/profile`);
        session.print(version, versionText(session, version, known?.items ?? []));
        return 0;
      }
      const endpoint = await ifFound(client.get<EndpointBody>(`/endpoints/${part(name)}`));
      if (endpoint !== null) {
        const usage = session.wantsJson ? null : await ifFound(client.get<EndpointUsageBody>(`/endpoints/${part(name)}/usage`));
        session.print(endpoint, endpointText(session, endpoint, usage));
        return 0;
      }
      await describeGroup(session, client, name, true);
      return 0;
    });
}

/** `isGuess`: it might have been an endpoint as well. */
async function describeGroup(session: Session, client: Client, name: string, isGuess = false): Promise<void> {
  const group = await ifFound(client.get<GroupBody>(`/groups/${part(name)}`));
  if (group === null && isGuess)
    throw new Failure(`there is no endpoint and no model group '${name}': see \`penstock endpoints\` and \`penstock groups\``);
  if (group === null) throw new Failure(`there is no model group '${name}': see \`penstock groups\``);
  session.print(
    group,
    fields([
      ['group', group.name],
      ['description', group.description],
      ['versions', group.versions],
      ['latest', group.latest_version],
      ['approved', group.latest_approved],
      ['tags', pairsText(group.tags)],
      ['created', utcText(group.created_at)],
    ]),
  );
}

async function ifFound<T>(answer: Promise<T>): Promise<T | null> {
  try {
    return await answer;
  } catch (error) {
    if (error instanceof Refusal && error.code === 'not_found') return null;
    throw error;
  }
}

function versionText(session: Session, version: VersionBody, profiles: readonly ProfileBody[]): string {
  const decided = version.approval_changed_by === null ? '' : ` by ${version.approval_changed_by}, ${utcText(version.approval_changed_at)}`;
  const note = version.approval_note === null ? '' : `: ${version.approval_note}`;
  return fields([
    ['version', version.name],
    ['approval', `${session.style.state(version.approval)}${decided}${note}`],
    ['description', version.description],
    ...runtimeFields(version),
    ['inputs', tensorsText(version.signature.inputs)],
    ['outputs', tensorsText(version.signature.outputs)],
    ['batchable', `${version.batchable ? 'yes' : 'no'}: ${version.batchable_reason}`],
    ['measured', profiles.map(profileText).join('\n')],
    ['metrics', pairsText(version.metrics)],
    ['metadata', pairsText(version.metadata)],
    ['tags', pairsText(version.tags)],
    ['notes', version.notes.join('\n')],
    ['source', version.source_name],
    ['artifact', `${bytesText(version.artifact.bytes)}, sha256 ${version.artifact.sha256}`],
    [
      'opsets',
      pairsText(Object.fromEntries(Object.entries(version.opsets).map(([domain, opset]) => [domain === '' ? 'ai.onnx' : domain, opset]))),
    ],
    ['producer', version.producer],
    ['properties', pairsText(version.properties)],
    ['created', `${utcText(version.created_at)} by ${version.created_by}`],
  ]);
}

/** In a line: `penstock profile --cached` tells all of it. */
function profileText({ executor, service: [first], batch_max: most, notes }: ProfileBody): string {
  const row = first === undefined ? '' : `${msText(first.p50_ms)} for a row, up to ${most} at once`;
  return [`${executor}: ${row}`, ...notes].join('; ');
}

function endpointText(session: Session, view: EndpointBody, usage: EndpointUsageBody | null): string {
  const head = fields([
    ['endpoint', view.name],
    ['status', `${session.style.state(view.status)}${view.reason === null ? '' : `: ${view.reason}`}`],
    ['description', view.description],
    ['objective', view.objective ?? 'none'],
    ['in time', keptText(view, session.style)],
    [
      'late',
      view.late === 'serve'
        ? 'serve: requests that miss the objective are answered late'
        : 'shed: requests that would miss the objective are refused',
    ],
    ['timeout', msText(view.timeout_ms)],
    ['capture', captureText(view)],
    ['rollout', rolloutText(view)],
    ['taken back', view.taken_back.map(({ model, reason, at }) => `${model}, ${utcText(at)}: ${reason}`).join('\n')],
    ['notes', view.notes.join('\n')],
    ['created', utcText(view.created_at)],
    ['updated', utcText(view.updated_at)],
  ]);
  const used = table(usage?.items ?? [], [
    { title: 'USED BY', cell: ({ variant }) => variant },
    { title: 'SINCE (UTC)', cell: () => timeText(usage?.since ?? null) },
    { title: 'ANSWERED', cell: ({ requests }) => requests, align: 'right' },
    { title: 'FUNCTION RUNS', cell: ({ invocations }) => (invocations === 0 ? null : invocations), align: 'right' },
    { title: 'COLD STARTS', cell: ({ invocations, cold_starts: starts }) => (invocations === 0 ? null : starts), align: 'right' },
    { title: 'COST', cell: ({ total_usd: usd }) => usdText(usd), align: 'right' },
  ]);
  const functions = table(
    view.variants.flatMap(({ name, functions: asked, setting, environments, overflow }) =>
      asked === null ? [] : [{ name, asked, setting, environments, overflow }],
    ),
    [
      { title: 'FUNCTIONS OF', cell: ({ name }) => name },
      { title: 'HOW MANY', cell: ({ asked }) => rangeText(asked) },
      { title: 'BATCHING', cell: ({ asked }) => batchingText(asked) },
      { title: 'NOW', cell: ({ setting }) => (setting === null ? null : settingText(setting)) },
      { title: 'OVERFLOW', cell: ({ overflow }) => (overflow === null ? null : percentText(overflow.share)), align: 'right' },
      { title: 'COLD START', cell: ({ environments }) => coldStartText(environments), align: 'right' },
    ],
  );
  const workers = table(
    view.variants.flatMap((variant) => variant.workers),
    [
      { title: 'WORKER', cell: (worker) => worker.id },
      { title: 'MODEL', cell: (worker) => worker.model },
      { title: 'STATE', cell: (worker) => session.style.state(worker.state) },
      { title: 'PID', cell: (worker) => worker.pid, align: 'right' },
      { title: 'MEMORY', cell: (worker) => (worker.rss_bytes === null ? null : bytesText(worker.rss_bytes)), align: 'right' },
      { title: 'RESTARTS', cell: (worker) => worker.restarts, align: 'right' },
      { title: 'LAST TROUBLE', cell: (worker) => worker.reason },
    ],
  );
  return [
    head,
    updateText(view),
    `${variantsText(view.variants)}${countedText(view.variants)}`,
    used,
    scaledText(view),
    functions,
    decidedText(view),
    workers,
  ]
    .filter((text) => text !== '')
    .join('\n');
}

/** What each variant serves, and what became of its requests. */
export function variantsText(variants: readonly VariantBody[]): string {
  return table(variants, [
    { title: 'VARIANT', cell: (variant) => variant.name },
    { title: 'MODEL', cell: (variant) => variant.model },
    { title: 'WEIGHT', cell: (variant) => variant.weight, align: 'right' },
    { title: 'READY', cell: readyText, align: 'right' },
    { title: 'TYPE', cell: typeText },
    { title: 'BATCH MAX', cell: (variant) => variant.batch_size, align: 'right' },
    { title: 'REQUESTS', cell: (variant) => variant.statistics?.requests ?? null, align: 'right' },
    { title: 'FAILED', cell: ({ statistics: own }) => (own === null ? null : own.failures - own.refused), align: 'right' },
    { title: 'REFUSED', cell: (variant) => variant.statistics?.refused ?? null, align: 'right' },
    { title: 'BATCH MEAN', cell: (variant) => batchText(variant.statistics), align: 'right' },
    { title: 'TIME MEAN', cell: (variant) => meanText(variant.statistics), align: 'right' },
  ]);
}

/** Since when requests are counted: since the version was loaded, which a start of the server does too. */
export function countedText(variants: readonly Pick<VariantBody, 'name' | 'statistics'>[]): string {
  const since = variants.flatMap(({ name, statistics }) => (statistics === null ? [] : [{ name, text: utcText(statistics.since) }]));
  const [first] = since;
  if (first === undefined) return '';
  const isOne = since.every(({ text }) => text === first.text);
  const told = isOne ? first.text : since.map(({ name, text }) => `${text} (${name})`).join(', ');
  return `Requests, failed ones and times: of this version, since ${told}\n`;
}

/** What lets the number of instances follow the load. */
function scaledText(view: EndpointBody): string {
  return table(
    view.variants.flatMap(({ name, wanted, scaling: asked }) => (asked === null ? [] : [{ name, wanted, asked }])),
    [
      { title: 'SCALING OF', cell: ({ name }) => name },
      { title: 'WANTED', cell: ({ wanted }) => wanted, align: 'right' },
      { title: 'BY', cell: ({ asked }) => scalingText(asked) },
    ],
  );
}

/** What was chosen for functions, and how that goes. */
function decidedText(view: EndpointBody): string {
  return table(
    view.variants.flatMap(({ name, decision }) => (decision === null ? [] : decisionRows(name, decision))),
    [
      { title: 'SETTING OF', cell: ({ name }) => name },
      { title: '', cell: ({ what }) => what },
      { title: 'P50', cell: ({ p50_ms: ms }) => msText(ms), align: 'right' },
      { title: 'P95', cell: ({ p95_ms: ms }) => msText(ms), align: 'right' },
      { title: 'P99', cell: ({ p99_ms: ms }) => msText(ms), align: 'right' },
      { title: 'IN TIME', cell: ({ within_slo: share }) => shareText(share), align: 'right' },
      { title: 'MEAN BATCH', cell: ({ mean_batch: rows }) => Math.round(100 * rows) / 100, align: 'right' },
      { title: 'COST/M ROWS', cell: ({ cost_usd_per_million: usd }) => usdText(usd), align: 'right' },
      { title: 'WHY', cell: ({ reason }) => reason },
    ],
  );
}

/** Of the requests answered since the server started. */
function percentText(share: number): string {
  return `${Math.round(1000 * share) / 10} %`;
}

/** The versions of an update under way, beside each other. */
function updateText({ rollout }: EndpointBody): string {
  return table(rollout?.versions ?? [], [
    { title: 'UPDATE', cell: ({ is_new: isNew }) => (isNew ? 'new' : 'before') },
    { title: 'MODEL', cell: ({ model }) => model },
    { title: 'TRAFFIC', cell: ({ share_percent: share }) => `${share} %`, align: 'right' },
    { title: 'READY', cell: ({ ready }) => ready, align: 'right' },
    { title: 'REQUESTS', cell: ({ requests }) => requests, align: 'right' },
    { title: 'LATE', cell: ({ late, requests }) => partText(late, requests), align: 'right' },
    { title: 'FAILED', cell: ({ failed, requests }) => partText(failed, requests), align: 'right' },
    { title: 'REFUSED', cell: ({ refused, requests }) => partText(refused, requests), align: 'right' },
  ]);
}

function partText(some: number, all: number): string | null {
  return all === 0 ? null : percentText(some / all);
}

function coldStartText(environments: VariantBody['environments']): string | null {
  const { cold_start_ms: ms = null } = environments ?? {};
  return ms === null ? null : msText(ms);
}

/** What was predicted of the setting in force, and below it what was measured. */
function decisionRows(name: string, { predicted, measured, reason }: NonNullable<EndpointBody['variants'][number]['decision']>) {
  return [
    ...(predicted === null ? [] : [{ ...predicted, name, what: 'predicted', reason }]),
    ...(measured === null ? [] : [{ ...measured, name: '', what: `measured, ${countText(measured.requests, 'request')}`, reason: '' }]),
  ];
}

function batchText(statistics: StatisticsBody | null): number | null {
  return statistics === null || statistics.executions === 0 ? null : Math.round((10 * statistics.rows) / statistics.executions) / 10;
}

function meanText(statistics: StatisticsBody | null): string | null {
  return statistics === null || statistics.requests === 0 ? null : msText(statistics.total_ms / statistics.requests);
}

function captureText({ capture }: EndpointBody): string | null {
  if (capture === null) return null;
  const what = capture.inputs && capture.outputs ? 'inputs and outputs' : capture.inputs ? 'inputs' : 'outputs';
  const without = capture.redact.length === 0 ? '' : `, without ${capture.redact.join(', ')}`;
  return `${what} of ${capture.percent} % of the calls, to ${capture.to}${without}`;
}
