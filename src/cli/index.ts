export type { CliContext, Output, OutputForm, QuickstartContext, QuickstartOptions, UpOptions } from './cli-context.ts';
export { Progress } from './progress.ts';
export { quickstart } from './quickstart.ts';
export { quickstartDirectory } from './quickstart-directory.ts';
export { runCli } from './run-cli.ts';
export { fields, table } from './table.ts';
