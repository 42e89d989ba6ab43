/**
 * Preloaded into a server (`node --import`), this disables metrics and the request log, which no setting can do, so that their cost can be
 * measured.
 */
const [{ Metrics }, { LineFile }, { RequestLog }] = await Promise.all([
  import('../../src/metrics/metrics.ts'),
  import('../../src/logs/line-file.ts'),
  import('../../src/logs/request-log/request-log.ts'),
]);
const nothing = (): void => {};
Metrics.prototype.variant = () => ({
  answered: nothing,
  refused: nothing,
  dispatch: nothing,
  invoked: nothing,
  runsOn: nothing,
  planned: nothing,
});
LineFile.prototype.write = nothing;
RequestLog.prototype.weightOf = () => 0;
