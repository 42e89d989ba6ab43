export type { CliContext, Output, OutputForm, QuickstartContext, QuickstartOptions, UpOptions } from './cli-context.ts';
export { Progress } from './output/progress.ts';
export { fields, table } from './output/table.ts';
export { quickstart, quickstartDirectory } from './quickstart/quickstart.ts';
export { runCli } from './run-cli.ts';
