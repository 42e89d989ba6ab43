/** `penstock costs`: what endpoints cost, from what they used, also those that are gone. */
import { type Command, Option } from 'commander';
import type { CostsBody, UsedBody } from '../../api/index.ts';
import { parseDurationMs } from '../../objective.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { table } from '../table.ts';
import { type CommonOptions, parsedBy, verb } from '../verb.ts';
import { timeText, usdText } from '../words.ts';

interface CostsOptions extends CommonOptions {
  /** Milliseconds. */
  readonly since: number;
  readonly by: CostsBody['by'];
}

const dayMs = 86_400_000;

export function addCosts(program: Command, doors: Doors): void {
  verb(program, doors, 'costs [endpoint]', 'show what endpoints cost, from what they used')
    .with((command) =>
      command
        .addOption(
          new Option('--since <duration>', 'how far back, such as 24h or 7d; the hour in which that was counts in full')
            .argParser(parsedBy(sinceMs))
            .default(dayMs, '24h'),
        )
        .addOption(new Option('--by <period>', 'a line for each').choices(['hour', 'day', 'total']).default('total')),
    )
    .runs(async (session, options: CostsOptions, endpoint: string | undefined) => {
      const client = await session.client();
      const from = new Date(doors.clock.wallMs() - options.since).toISOString();
      const costs = await client.get<CostsBody>('/costs', { query: { endpoint, from, by: options.by } });
      // One that is gone has left its costs; one that never was has none.
      if (costs.items.length === 0 && endpoint !== undefined) await client.get(`/endpoints/${part(endpoint)}`);
      session.print(costs, costsText(costs));
      return 0;
    });
}

/** `7d`, or what else is a duration. */
function sinceMs(text: string): number {
  const days = /^(\d{1,3})d$/.exec(text)?.[1];
  return days === undefined ? parseDurationMs(text) : Number(days) * dayMs;
}

interface Line extends UsedBody {
  readonly at: string | null;
  readonly endpoint: string;
  readonly variant: string | null;
}

function costsText({ from, to, by, prices_as_of: asOf, items, total }: CostsBody): string {
  const span = `from ${timeText(from).slice(0, 16)} to ${timeText(to).slice(0, 16)} UTC`;
  if (items.length === 0) return `nothing was used ${span}\n`;
  const lines: Line[] = items.map((item) => ({ ...item, at: by === 'total' ? null : item.at }));
  const text = table<Line>(
    [...lines, { ...total, at: null, endpoint: 'total', variant: null }],
    [
      { title: by === 'day' ? 'DAY (UTC)' : 'HOUR (UTC)', cell: ({ at }) => timeText(at).slice(0, by === 'day' ? 10 : 16) },
      { title: 'ENDPOINT', cell: ({ endpoint }) => endpoint },
      { title: 'VARIANT', cell: ({ variant }) => variant },
      { title: 'INSTANCES', cell: (line) => usdText(Math.max(0, line.instance_usd - line.provisioned_usd)), align: 'right' },
      { title: 'FUNCTIONS', cell: (line) => usdText(line.function_usd + line.provisioned_usd), align: 'right' },
      { title: 'TOTAL', cell: (line) => usdText(line.total_usd), align: 'right' },
      { title: 'ANSWERED', cell: ({ requests }) => requests, align: 'right' },
      { title: 'FAILED', cell: (line) => line.failed_requests, align: 'right' },
      { title: 'FAILED RUNS', cell: (line) => (total.failed_runs_usd === 0 ? null : usdText(line.failed_runs_usd)), align: 'right' },
      { title: 'COST/M ANSWERED', cell: ({ cost_usd_per_million: usd }) => (usd === null ? '-' : usdText(usd)), align: 'right' },
      { title: 'COLD STARTS', cell: (line) => line.cold_starts, align: 'right' },
    ],
  );
  return `${text}${span}, by whole hours; prices of ${asOf}; what failed runs cost is in the sums\n`;
}
