/** What the server calls a member of what was sent, a person knows as an option of `deploy`. */
const flags: Readonly<Record<string, string>> = {
  'scaling.policy': '--scaling',
  'scaling.instances_min': '--min-instances',
  'scaling.instances_max': '--max-instances',
  'scaling.usd_per_hour_max': '--scaling-budget',
  'scaling.floors': '--floor',
  'functions.usd_per_hour_max': '--overflow-budget',
  'functions.memory_mib': '--memory',
  'functions.max_concurrency': '--max-concurrency',
  'functions.provisioned': '--provisioned',
  'functions.keep_alive_ms': '--keep-alive',
  'functions.batching': '--batching',
  'functions.batch_size_max': '--batch-size',
  'functions.wait_ms_max': '--max-wait',
  instance_count: '--instances',
  instance_type: '--instance-type',
  start_timeout_ms: '--start-timeout',
  objective: '--objective',
  late: '--late',
  timeout_ms: '--request-timeout',
  'capture.percent': '--capture',
  'capture.to': '--capture-to',
  'capture.redact': '--redact',
};

/** `--late` of `late`; null where `deploy` has none. */
export function flagOf(member: string): string | null {
  return flags[member] ?? null;
}

/** A refusal that begins with such a member, or tells of several: by the options; others as they are. */
export function inFlags(message: string): string {
  return message.replaceAll(
    /(^|[;,] )(?:variants\.\d+\.)?([a-z_]+(?:\.[a-z_]+)?)(?:\.\d+)?(?=: )/g,
    (all, before: string, member: string) => {
      return Object.hasOwn(flags, member) ? `${before}${flags[member]}` : all;
    },
  );
}
