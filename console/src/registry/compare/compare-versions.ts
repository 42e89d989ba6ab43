/** Compares two versions: signature, quality, service times, cost, file. Pure functions. */
import type { DeploymentPlanBody, ProfileBody, VersionBody } from '../../../../src/api/index.ts';
import { bytes, count, difference, fixed, ms } from '../../kit/format/format.ts';
import { usdFine } from '../../kit/format/money.ts';
import { compareSignatures } from './compare-signatures.ts';

export interface Compared {
  readonly version: VersionBody;
  readonly profile: ProfileBody | undefined;
  readonly plan: DeploymentPlanBody | undefined;
}

export interface ComparedRow {
  readonly label: string;
  readonly before: readonly string[];
  readonly after: readonly string[];
  /** Empty if there is no change, or none that can be computed. */
  readonly change: string;
  readonly tone: 'good' | 'bad' | 'warn' | 'dim' | '';
  /** A change that requires clients to be updated. */
  readonly isBreaking: boolean;
  /** Rendered as code. */
  readonly isCode: boolean;
  readonly isSame: boolean;
}

export function compareVersions(before: Compared, after: Compared): ComparedRow[] {
  return [
    ...signatureRows(before, after),
    ...metricRows(before, after),
    ...profileRows(before, after),
    ...costRows(before, after),
    ...fileRows(before, after),
  ];
}

function signatureRows({ version: before }: Compared, { version: after }: Compared): ComparedRow[] {
  return compareSignatures(before.signature, after.signature).map(({ side, change, isBreaking, ...row }) => ({
    ...row,
    label: side,
    change: change ?? '',
    tone: isBreaking ? 'warn' : 'dim',
    isBreaking,
    isCode: true,
    isSame: change === null,
  }));
}

/** Metrics for which lower is better. For all others, higher is better. */
const lessIsBetter = /loss|error|rmse|mse|mae|perplexity|wer|latency|wrong/i;

function metricRows({ version: before }: Compared, { version: after }: Compared): ComparedRow[] {
  const names = [...new Set([...Object.keys(before.metrics), ...Object.keys(after.metrics)])].toSorted();
  return names.map((name) => {
    const [old, next] = [before.metrics[name], after.metrics[name]];
    return numberRow(capital(name), old, next, { format: (value) => fixed(value, 3), decimals: 3, isLessBetter: lessIsBetter.test(name) });
  });
}

interface NumberFormat {
  readonly format: (value: number) => string;
  readonly decimals: number;
  /** Unit of the difference. */
  readonly unit?: string;
  readonly isLessBetter: boolean;
  /** Shows the change in percent of the old value instead of the difference. */
  readonly asShare?: boolean;
  /** The difference is neither good nor bad. */
  readonly isNeutral?: boolean;
}

export function numberRow(label: string, old: number | undefined, next: number | undefined, options: NumberFormat): ComparedRow {
  const { format, decimals, unit = '', isLessBetter, asShare = false, isNeutral = false } = options;
  const text = (value: number | undefined): string => (value === undefined ? '–' : format(value));
  const row = { label, before: [text(old)], after: [text(next)], isBreaking: false, isCode: false };
  if (old === undefined || next === undefined) return { ...row, change: '', tone: '', isSame: old === next };
  const by = next - old;
  const change = asShare ? (old === 0 ? '' : `${difference((100 * by) / old, 0)} %`) : `${difference(by, decimals)} ${unit}`.trim();
  const isNone = /^[+−]?0(\.0+)?( |$)/.test(change) || by === 0;
  const tone = isNone || isNeutral ? 'dim' : by < 0 === isLessBetter ? 'good' : 'bad';
  return { ...row, change: isNone ? '' : change, tone, isSame: text(old) === text(next) };
}

/** How effective batching is, by the time per row in the largest batch compared with a single row. */
export function formatBatching(version: VersionBody, profile: ProfileBody | undefined): string {
  if (!version.batchable) return 'not possible';
  const [one, many] = [pointAt(profile, 1), largestPoint(profile)];
  if (one === undefined || many === undefined || many.b === 1) return 'possible';
  const perRow = many.p50_ms / many.b / one.p50_ms;
  return perRow < 0.4 ? 'effective' : perRow < 0.85 ? 'slightly effective' : 'not effective';
}

export function largestPoint(profile: ProfileBody | undefined): ProfileBody['service'][number] | undefined {
  return profile?.service.at(-1);
}

export function pointAt(profile: ProfileBody | undefined, b: number): ProfileBody['service'][number] | undefined {
  return profile?.service.find((point) => point.b === b);
}

/** `13.4 µs`, `8.3 ms` */
export function serviceTime(valueMs: number): string {
  return valueMs < 0.1 ? `${fixed(valueMs * 1000, 1)} µs` : valueMs < 1 ? `${fixed(valueMs * 1000)} µs` : `${ms(valueMs)} ms`;
}

/** From the profiles on `local.1`. Values that are not measured yet are shown as `–`. */
function profileRows(before: Compared, after: Compared): ComparedRow[] {
  const batching = [formatBatching(before.version, before.profile), formatBatching(after.version, after.profile)] as const;
  const timeAt = (b: number): ComparedRow =>
    numberRow(`Service time, ${b === 1 ? '1 row' : `${b} rows`}`, pointAt(before.profile, b)?.p50_ms, pointAt(after.profile, b)?.p50_ms, {
      format: serviceTime,
      decimals: 0,
      isLessBetter: true,
      asShare: true,
    });
  const rateOf = ({ profile }: Compared): number | undefined => {
    const point = pointAt(profile, 16);
    return point === undefined ? undefined : (1000 * point.b) / point.p50_ms;
  };
  const memory = ({ profile }: Compared): number | undefined => profile?.service[0]?.rss_mib;
  return [
    plainRow('Batching', ...batching),
    timeAt(1),
    timeAt(16),
    numberRow('Throughput, batch 16', rateOf(before), rateOf(after), {
      format: (value) => `${count(Math.round(value))} /s`,
      decimals: 0,
      isLessBetter: false,
      asShare: true,
    }),
    numberRow('Memory when loaded', memory(before), memory(after), {
      format: (value) => `${fixed(value)} MB`,
      decimals: 0,
      unit: 'MB',
      isLessBetter: true,
      isNeutral: true,
    }),
  ];
}

function costRows(before: Compared, after: Compared): ComparedRow[] {
  const of = (key: 'p95_ms' | 'usd_per_million' | 'usd_per_hour') => [before.plan?.chosen?.[key], after.plan?.chosen?.[key]] as const;
  const costFormat = { format: usdFine, decimals: 3, isLessBetter: true, asShare: true };
  return [
    numberRow('Predicted p95', ...of('p95_ms'), {
      format: (value) => `${ms(value)} ms`,
      decimals: 1,
      unit: 'ms',
      isLessBetter: true,
      isNeutral: true,
    }),
    numberRow('Per million requests', ...of('usd_per_million'), costFormat),
    numberRow('Per hour', ...of('usd_per_hour'), costFormat),
  ];
}

function fileRows({ version: before }: Compared, { version: after }: Compared): ComparedRow[] {
  const opset = ({ opsets }: VersionBody): string =>
    Object.entries(opsets)
      .map(([domain, version]) => `${domain === '' || domain === 'ai.onnx' ? '' : `${domain} `}${version}`)
      .join(', ') || '–';
  const shown = (sha256: string): string => `${sha256.slice(0, 4)}…${sha256.slice(-4)}`;
  return [
    numberRow('File size', before.artifact.bytes, after.artifact.bytes, {
      format: bytes,
      decimals: 0,
      isLessBetter: true,
      asShare: true,
      isNeutral: true,
    }),
    plainRow('Opset', opset(before), opset(after)),
    { ...plainRow('Artifact', `sha256 ${shown(before.artifact.sha256)}`, `sha256 ${shown(after.artifact.sha256)}`), isCode: true },
  ];
}

function plainRow(label: string, before: string, after: string): ComparedRow {
  return { label, before: [before], after: [after], change: '', tone: '', isBreaking: false, isCode: false, isSame: before === after };
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1).replaceAll('_', ' ');
}
