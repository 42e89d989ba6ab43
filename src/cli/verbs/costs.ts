/** `penstock costs`: the cost of endpoints, computed from their usage. Includes deleted endpoints. */
import { type Command, Option } from 'commander';
import type { CostsBody, UsedBody } from '../../api/index.ts';
import type { CliContext } from '../cli-context.ts';
import { pathSegment } from '../client/client.ts';
import { parsedSince } from '../options/parsed-values.ts';
import { formatUsd, timeText } from '../output/format.ts';
import { table } from '../output/table.ts';
import { type CommonOptions, verb } from '../verb.ts';

interface CostsOptions extends CommonOptions {
  /** Milliseconds. */
  readonly since: number;
  readonly by: CostsBody['by'];
}

const dayMs = 86_400_000;

export function addCosts(program: Command, context: CliContext): void {
  verb(program, context, 'costs [endpoint]', 'show the cost of endpoints, computed from their usage')
    .with((command) =>
      command
        .addOption(
          new Option('--since <duration>', 'how far back, such as 24h or 7d, rounded to whole hours')
            .argParser(parsedSince)
            .default(dayMs, '24h'),
        )
        .addOption(new Option('--by <period>', 'period of each line').choices(['hour', 'day', 'total']).default('total')),
    )
    .runs(async (session, options: CostsOptions, endpoint: string | undefined) => {
      const client = await session.client();
      const from = new Date(context.clock.wallMs() - options.since).toISOString();
      const costs = await client.get<CostsBody>('/costs', { query: { endpoint, from, by: options.by } });
      // A deleted endpoint still has costs. An endpoint that never existed has none, and this call reports it as not found.
      if (costs.items.length === 0 && endpoint !== undefined) await client.get(`/endpoints/${pathSegment(endpoint)}`);
      session.print(costs, costsText(costs));
      return 0;
    });
}

interface Line extends UsedBody {
  readonly at: string | null;
  readonly endpoint: string;
  readonly variant: string | null;
}

function costsText({ from, to, by, prices_as_of: asOf, items, total }: CostsBody): string {
  const [fromText, toText] = [from, to].map((at) => timeText(at).slice(0, 16));
  if (items.length === 0) return `no use between ${fromText} and ${toText} UTC\n`;
  const lines: Line[] = items.map((item) => ({ ...item, at: by === 'total' ? null : item.at }));
  const text = table<Line>(
    [...lines, { ...total, at: null, endpoint: 'total', variant: null }],
    [
      { title: by === 'day' ? 'DAY (UTC)' : 'HOUR (UTC)', cell: ({ at }) => timeText(at).slice(0, by === 'day' ? 10 : 16) },
      { title: 'ENDPOINT', cell: ({ endpoint }) => endpoint },
      { title: 'VARIANT', cell: ({ variant }) => variant },
      { title: 'INSTANCES', cell: (line) => formatUsd(Math.max(0, line.instance_usd - line.provisioned_usd)), align: 'right' },
      { title: 'FUNCTIONS', cell: (line) => formatUsd(line.function_usd + line.provisioned_usd), align: 'right' },
      { title: 'TOTAL', cell: (line) => formatUsd(line.total_usd), align: 'right' },
      { title: 'ANSWERED', cell: ({ requests }) => requests, align: 'right' },
      { title: 'NOT ANSWERED', cell: (line) => line.failed_requests, align: 'right' },
      { title: 'FAILED RUNS', cell: (line) => (total.failed_runs_usd === 0 ? null : formatUsd(line.failed_runs_usd)), align: 'right' },
      { title: 'COST/M ANSWERED', cell: ({ cost_usd_per_million: usd }) => (usd === null ? '-' : formatUsd(usd)), align: 'right' },
      { title: 'COLD STARTS', cell: (line) => line.cold_starts, align: 'right' },
    ],
  );
  return `${text}from ${fromText} to ${toText} UTC, whole hours only; prices of ${asOf}; totals include the cost of failed runs\n`;
}
