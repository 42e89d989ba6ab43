/** How long a run of a digits model takes: 200 times the measured time, as simulated. */
import { selectableModels } from '../../../test/selection/selectable.ts';
import { families } from '../../../test/selection/simulated.ts';

let times: ReadonlyMap<string, Float64Array> | null = null;

/** Beyond 32 rows in proportion. */
export function slowMs(model: string, rows: number): number {
  times ??= new Map(selectableModels('digits', families.digits.scale).map(({ name, medianMs }) => [name, medianMs]));
  const ms = times.get(model) as Float64Array;
  const most = ms.length - 1;
  return rows <= most ? (ms[rows] as number) : ((ms[most] as number) * rows) / most;
}
