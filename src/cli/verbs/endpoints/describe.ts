/** `penstock describe`: the details of an endpoint, a model version, a model group or a job. */
import type { Command } from 'commander';
import type {
  EndpointBody,
  EndpointUsageBody,
  GroupBody,
  ProfileBody,
  StatisticsBody,
  VariantBody,
  VersionBody,
} from '../../../api/index.ts';
import { closestName } from '../../../names.ts';
import type { CliContext } from '../../cli-context.ts';
import { CliError } from '../../cli-error.ts';
import { type Client, pathSegment } from '../../client/client.ts';
import { ifFound } from '../../client/if-found.ts';
import { versionUrlPath } from '../../models/model-source.ts';
import { runtimeFields } from '../../options/process-options.ts';
import { batchableText, pythonFields } from '../../options/python-options.ts';
import { rolloutText } from '../../options/rollout-options.ts';
import {
  bytesText,
  countText,
  formatMsText,
  formatUsd,
  pairsText,
  shareText,
  tensorsText,
  timeText,
  utcText,
} from '../../output/format.ts';
import { formatAttainment, formatStatus } from '../../output/format-objective.ts';
import { ladderText, selectionFields } from '../../output/format-selection.ts';
import { batchingText, functionSettingText, rangeText, readyText, scalingText, typeText } from '../../output/format-variant.ts';
import { fields, table } from '../../output/table.ts';
import { printJob } from '../../training/print-job.ts';
import { type CommonOptions, type VerbSession, verb } from '../../verb.ts';

interface DescribeOptions extends CommonOptions {
  readonly group: boolean;
}

export function addDescribe(program: Command, context: CliContext): void {
  verb(program, context, 'describe <endpoint|group/version|group|job>', 'show the details of an endpoint, a version, a group or a job')
    .with((command) => command.option('--group', 'describe the group, even if an endpoint has the same name', false))
    .runs(async (session, { group }: DescribeOptions, name: string) => {
      const client = await session.client();
      if (group) {
        if (await printGroup(session, client, name)) return 0;
        throw await unknownName(client, name, false);
      }
      if (name.includes('/')) {
        const version = await client.get<VersionBody>(versionUrlPath(name));
        const known = session.wantsJson ? null : await client.get<{ items: ProfileBody[] }>(`${versionUrlPath(name)}/profile`);
        session.print(version, versionText(session, version, known?.items ?? []));
        return 0;
      }
      const endpoint = await ifFound(client.get<EndpointBody>(`/endpoints/${pathSegment(name)}`));
      if (endpoint !== null) {
        const usage = session.wantsJson ? null : await ifFound(client.get<EndpointUsageBody>(`/endpoints/${pathSegment(name)}/usage`));
        session.print(endpoint, endpointText(session, endpoint, usage));
        return 0;
      }
      if ((await printGroup(session, client, name)) || (await printJob(session, client, name))) return 0;
      throw await unknownName(client, name, true);
    });
}

/** False if there is none. */
async function printGroup(session: VerbSession, client: Client, name: string): Promise<boolean> {
  const group = await ifFound(client.get<GroupBody>(`/groups/${pathSegment(name)}`));
  if (group === null) return false;
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
  return true;
}

/** Suggests the name of an endpoint or a group that is a typing error away. `isGuess`: the name could also have meant an endpoint or a job. */
async function unknownName(client: Client, name: string, isGuess: boolean): Promise<CliError> {
  const [endpoints, groups] = await Promise.all([isGuess ? client.all<EndpointBody>('/endpoints') : [], client.all<GroupBody>('/groups')]);
  const known = new Set([...endpoints, ...groups].map((each) => each.name));
  const meant = closestName(name, [...known]);
  const [kinds, lists] = isGuess
    ? ['endpoint, model group or job', '`penstock endpoints`, `penstock groups` and `penstock training list`']
    : ['model group', '`penstock groups`'];
  const cure = meant === null ? `see ${lists}` : `did you mean \`penstock describe ${isGuess ? '' : '--group '}${meant}\`?`;
  return new CliError(`there is no ${kinds} '${name}': ${cure}`);
}

function versionText(session: VerbSession, version: VersionBody, profiles: readonly ProfileBody[]): string {
  const decided = version.approval_changed_by === null ? '' : ` by ${version.approval_changed_by}, ${utcText(version.approval_changed_at)}`;
  const note = version.approval_note === null ? '' : `: ${version.approval_note}`;
  return fields([
    ['version', version.name],
    ['approval', `${session.style.state(version.approval)}${decided}${note}`],
    ['description', version.description],
    ...runtimeFields(version),
    ...pythonFields(version),
    ['inputs', tensorsText(version.signature.inputs)],
    ['outputs', tensorsText(version.signature.outputs)],
    ['batchable', batchableText(version)],
    ['measured', measuredText(version, profiles)],
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

/** A line for each executor, and once that the machine was busy. */
function measuredText({ name }: VersionBody, profiles: readonly ProfileBody[]): string {
  const busy = profiles.flatMap(({ notes }) => notes).find(isAboutBusyMachine);
  const cure = busy === undefined ? [] : [`${busy}. \`penstock profile ${name}\` measures again`];
  return [...profiles.map(profileText), ...cure].join('\n');
}

function isAboutBusyMachine(note: string): boolean {
  return note.startsWith('measured on a busy machine');
}

/** A one-line summary; `penstock profile --cached` shows the whole profile. */
function profileText({ executor, service: [first], batch_max: most, notes }: ProfileBody): string {
  const row = first === undefined ? '' : `${formatMsText(first.p50_ms)} per row, up to ${most} rows per batch`;
  return [`${executor}: ${row}`, ...notes.filter((note) => !isAboutBusyMachine(note))].join('; ');
}

function endpointText(session: VerbSession, view: EndpointBody, usage: EndpointUsageBody | null): string {
  const head = fields([
    ['endpoint', view.name],
    ['status', `${formatStatus(view, session.style)}${view.reason === null ? '' : `: ${view.reason}`}`],
    ['description', view.description],
    ['objective', view.objective ?? 'none'],
    ['in time', formatAttainment(view, session.style)],
    [
      'late',
      view.late === 'serve'
        ? 'serve: requests that miss the objective are answered late'
        : 'shed: requests that would miss the objective are rejected',
    ],
    ['timeout', formatMsText(view.timeout_ms)],
    ['capture', captureText(view)],
    ['rollout', rolloutText(view)],
    ['rolled back', view.rolled_back.map(({ model, reason, at }) => `${model}, ${utcText(at)}: ${reason}`).join('\n')],
    ...(view.selection === null ? [] : selectionFields(view.selection)),
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
    { title: 'TOTAL', cell: ({ total_usd: usd }) => formatUsd(usd), align: 'right' },
  ]);
  const functions = table(
    view.variants.flatMap(({ name, functions: requested, setting, environments, overflow }) =>
      requested === null ? [] : [{ name, requested, setting, environments, overflow }],
    ),
    [
      { title: 'FUNCTIONS OF', cell: ({ name }) => name },
      { title: 'BOUNDS', cell: ({ requested }) => rangeText(requested) },
      { title: 'BATCHING', cell: ({ requested }) => batchingText(requested) },
      { title: 'NOW', cell: ({ setting }) => (setting === null ? null : functionSettingText(setting)) },
      { title: 'OVERFLOW', cell: ({ overflow }) => (overflow === null ? null : percentText(overflow.share)), align: 'right' },
      { title: 'COLD START', cell: ({ environments }) => coldStartText(environments), align: 'right' },
    ],
  );
  return [
    head,
    updateText(view),
    `${variantsText(view.variants)}${countedText(view.variants)}`,
    view.selection === null ? '' : ladderText(view.selection),
    used,
    scaledText(view),
    functions,
    foldersText(view),
    decidedText(view),
    workersText(view, session.style),
  ]
    .filter((text) => text !== '')
    .join('\n');
}

/** The workers of all variants. Where each runs is empty on a server that is alone. */
export function workersText({ variants }: Pick<EndpointBody, 'variants'>, style: Pick<VerbSession['style'], 'state'>): string {
  return table(
    variants.flatMap(({ workers }) => workers),
    [
      { title: 'WORKER', cell: ({ id }) => id },
      { title: 'MODEL', cell: ({ model }) => model },
      { title: 'STATE', cell: ({ state }) => style.state(state) },
      { title: 'HOST', cell: ({ host }) => host },
      { title: 'ZONE', cell: ({ zone }) => zone },
      { title: 'PID', cell: ({ pid }) => pid, align: 'right' },
      { title: 'MEMORY', cell: ({ rss_bytes: bytes }) => (bytes === null ? null : bytesText(bytes)), align: 'right' },
      { title: 'RESTARTS', cell: ({ restarts }) => restarts, align: 'right' },
      { title: 'LAST PROBLEM', cell: ({ reason }) => reason },
    ],
  );
}

function shadowText({ share, shares_workers: isShared }: NonNullable<VariantBody['shadow']>): string {
  return `shadow of ${percentText(share)}${isShared ? ', in idle time' : ''}`;
}

/** Each variant with its model, capacity and request counts. */
export function variantsText(variants: readonly VariantBody[]): string {
  return table(variants, [
    { title: 'VARIANT', cell: (variant) => variant.name },
    { title: 'MODEL', cell: (variant) => variant.model },
    {
      title: 'WEIGHT',
      cell: ({ weight, shadow }) => (shadow === null ? weight : shadowText(shadow)),
      align: 'right',
    },
    { title: 'READY', cell: readyText, align: 'right' },
    { title: 'TYPE', cell: typeText },
    { title: 'BATCH MAX', cell: batchMaxText, align: 'right' },
    { title: 'REQUESTS', cell: (variant) => variant.statistics?.requests ?? null, align: 'right' },
    { title: 'FAILED', cell: ({ statistics: own }) => (own === null ? null : own.failures - own.refused), align: 'right' },
    { title: 'REJECTED', cell: (variant) => variant.statistics?.refused ?? null, align: 'right' },
    { title: 'BATCH MEAN', cell: (variant) => batchText(variant.statistics), align: 'right' },
    { title: 'TIME MEAN', cell: (variant) => meanText(variant.statistics), align: 'right' },
  ]);
}

/** Batches are larger than the objective allows while the queue is so long that its last request misses the objective anyway. */
function batchMaxText({ batch_size: size, batch_size_late: late }: VariantBody): string | number | null {
  return size === null || late === null || late <= size ? size : `${size}, late ${late}`;
}

/** Since when requests are counted: since the version was loaded, which includes server restarts. */
export function countedText(variants: readonly Pick<VariantBody, 'name' | 'statistics'>[]): string {
  const since = variants.flatMap(({ name, statistics }) => (statistics === null ? [] : [{ name, text: utcText(statistics.since) }]));
  const [first] = since;
  if (first === undefined) return '';
  const isOne = since.every(({ text }) => text === first.text);
  const times = isOne ? first.text : since.map(({ name, text }) => `${text} (${name})`).join(', ');
  return `Requests, failures and times of the current version, since ${times}\n`;
}

/** The loaded models of each variant that serves the objects of a folder. */
function foldersText(view: EndpointBody): string {
  return table(
    view.variants.flatMap(({ name, multi_model: folder }) => (folder === null ? [] : [{ name, folder }])),
    [
      { title: 'MODELS OF', cell: ({ name }) => name },
      { title: 'FOLDER', cell: ({ folder }) => folder.url },
      { title: 'LOADED', cell: ({ folder }) => folder.models_loaded, align: 'right' },
      { title: 'MEMORY', cell: ({ folder }) => `${folder.memory_mib} of ${folder.memory_mib_max} MiB`, align: 'right' },
    ],
  );
}

/** The scaling policy of each variant that has one. */
function scaledText(view: EndpointBody): string {
  return table(
    view.variants.flatMap(({ name, wanted, scaling }) => (scaling === null ? [] : [{ name, wanted, scaling }])),
    [
      { title: 'SCALING OF', cell: ({ name }) => name },
      { title: 'WANTED', cell: ({ wanted }) => wanted, align: 'right' },
      { title: 'BY', cell: ({ scaling }) => scalingText(scaling) },
    ],
  );
}

/** The chosen function setting of each variant, with its predicted and measured performance. */
function decidedText(view: EndpointBody): string {
  return table(
    view.variants.flatMap(({ name, decision }) => (decision === null ? [] : decisionRows(name, decision))),
    [
      { title: 'SETTING OF', cell: ({ name }) => name },
      { title: '', cell: ({ what }) => what },
      { title: 'P50', cell: ({ p50_ms: ms }) => formatMsText(ms), align: 'right' },
      { title: 'P95', cell: ({ p95_ms: ms }) => formatMsText(ms), align: 'right' },
      { title: 'P99', cell: ({ p99_ms: ms }) => formatMsText(ms), align: 'right' },
      { title: 'IN TIME', cell: ({ within_slo: share }) => shareText(share), align: 'right' },
      { title: 'MEAN BATCH', cell: ({ mean_batch: rows }) => Math.round(100 * rows) / 100, align: 'right' },
      { title: 'COST/M ROWS', cell: ({ cost_usd_per_million: usd }) => formatUsd(usd), align: 'right' },
      { title: 'WHY', cell: ({ reason }) => reason },
    ],
  );
}

/** `12.5 %`. */
function percentText(share: number): string {
  return `${Math.round(1000 * share) / 10} %`;
}

/** Compares the versions of an update in progress. */
function updateText({ rollout }: EndpointBody): string {
  return table(rollout?.versions ?? [], [
    { title: 'UPDATE', cell: ({ is_new: isNew }) => (isNew ? 'new' : 'before') },
    { title: 'MODEL', cell: ({ model }) => model },
    { title: 'TRAFFIC', cell: ({ share_percent: share }) => `${share} %`, align: 'right' },
    { title: 'READY', cell: ({ ready }) => ready, align: 'right' },
    { title: 'REQUESTS', cell: ({ requests }) => requests, align: 'right' },
    { title: 'LATE', cell: ({ late, requests }) => partText(late, requests), align: 'right' },
    { title: 'FAILED', cell: ({ failed, requests }) => partText(failed, requests), align: 'right' },
    { title: 'REJECTED', cell: ({ refused, requests }) => partText(refused, requests), align: 'right' },
  ]);
}

function partText(some: number, all: number): string | null {
  return all === 0 ? null : percentText(some / all);
}

function coldStartText(environments: VariantBody['environments']): string | null {
  const { cold_start_ms: ms = null } = environments ?? {};
  return ms === null ? null : formatMsText(ms);
}

/** The prediction of the current setting, followed by its measurement. */
function decisionRows(
  name: string,
  { predicted, correction, measured, reason }: NonNullable<EndpointBody['variants'][number]['decision']>,
) {
  const why = correction === null ? reason : `${reason}; ${correction}`;
  return [
    ...(predicted === null ? [] : [{ ...predicted, name, what: correction === null ? 'predicted' : 'predicted, corrected', reason: why }]),
    ...(measured === null ? [] : [{ ...measured, name: '', what: `measured, ${countText(measured.requests, 'request')}`, reason: '' }]),
  ];
}

function batchText(statistics: StatisticsBody | null): number | null {
  return statistics === null || statistics.executions === 0 ? null : Math.round((10 * statistics.rows) / statistics.executions) / 10;
}

function meanText(statistics: StatisticsBody | null): string | null {
  return statistics === null || statistics.requests === 0 ? null : formatMsText(statistics.total_ms / statistics.requests);
}

function captureText({ capture }: EndpointBody): string | null {
  if (capture === null) return null;
  const what = capture.inputs && capture.outputs ? 'inputs and outputs' : capture.inputs ? 'inputs' : 'outputs';
  const without = capture.redact.length === 0 ? '' : `, without ${capture.redact.join(', ')}`;
  return `${what} of ${capture.percent} % of calls, to ${capture.to}${without}`;
}
