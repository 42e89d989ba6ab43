/** The table of memory in bench/README.md. */
import type { LoadCell, PeersResults } from '../rounds.ts';
import { cellsOf, disturbance, markdown, over, page, ratiosOf, ratioText, serversOf, whole } from '../table.ts';

export const manyModels = 20;

export interface MemoryCell extends LoadCell {
  readonly models: number;
  readonly rssMiB: number;
  readonly pssMiB: number;
}

type Rounds = PeersResults<MemoryCell>['rounds'];

const isOf =
  (models: number) =>
  (cell: MemoryCell): boolean =>
    cell.models === models;

function cellText(rounds: Rounds, server: string, models: number): string {
  const cells = cellsOf(rounds, server, isOf(models));
  if (cells.length === 0) return '';
  const ratios = ratiosOf(rounds, server, (ours, theirs) => theirs.pssMiB / ours.pssMiB, isOf(models));
  const figures = `${whole(over(cells, ({ rssMiB }) => rssMiB))}, ${whole(over(cells, ({ pssMiB }) => pssMiB))} MiB`;
  return `${figures}${ratioText(ratios)}${disturbance(cells)}`;
}

/** PSS that each further model takes, in MiB; null if the server was measured with one alone. */
export function pssMiBOfOneMore(rounds: Rounds, server: string): number | null {
  const more = rounds.flatMap((round) => {
    const [[one], [many]] = [cellsOf([round], server, isOf(1)), cellsOf([round], server, isOf(manyModels))];
    return one === undefined || many === undefined ? [] : [(many.pssMiB - one.pssMiB) / (manyModels - 1)];
  });
  return more.length === 0 ? null : over(more, (each) => each);
}

export function memoryTable(results: PeersResults<MemoryCell>): string {
  const { rounds } = results;
  const explanation =
    '`digits_mlp`, all processes of a server, four seconds after the last of the requests to each model. Each cell: RSS, PSS (shared pages count once), and the PSS of the server by that of Penstock. ' +
    'FastAPI holds all models in one process, mosec and Penstock each in a process of its own. Wanted: PSS of 220 MiB with one model, 19 MiB for a further one.';
  const rows = serversOf(rounds).map((server) => {
    const more = pssMiBOfOneMore(rounds, server);
    return [server, cellText(rounds, server, 1), cellText(rounds, server, manyModels), more === null ? '' : `${more.toFixed(1)} MiB`];
  });
  return page(results, explanation, [markdown(['', '1 model', `${manyModels} models`, 'a further model, PSS'], rows)]);
}
