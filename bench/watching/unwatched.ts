/**
 * Loaded before a server (`node --import`), this makes it blind: no metric is counted, no line of a request is made or written. So what watching costs
 * can be measured, though no user can switch it off.
 */
const [{ Metrics }, { LineFile }, { RequestLog }] = await Promise.all([
  import('../../src/monitoring/metrics.ts'),
  import('../../src/monitoring/line-file.ts'),
  import('../../src/monitoring/request-log/request-log.ts'),
]);
const nothing = (): void => {};
Metrics.prototype.variant = () => ({
  answered: nothing,
  refused: nothing,
  dispatch: nothing,
  invoked: nothing,
  runsOn: nothing,
});
LineFile.prototype.write = nothing;
RequestLog.prototype.weightOf = () => 0;
