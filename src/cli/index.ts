export type { Doors, Output, OutputForm, QuickstartOptions, UpOptions } from './doors.ts';
export { Progress } from './progress.ts';
export { type QuickstartDoors, quickstart } from './quickstart.ts';
export { runCli } from './run-cli.ts';
export { fields, table } from './table.ts';
