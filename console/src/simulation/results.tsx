/** The results of a simulation: summary, policy table, charts of load, instances and p95, cost against in-time share. */
import { Button, Progress } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { PolicyResultBody, SimulationResultBody } from '../../../src/api/index.ts';
import { path, remove } from '../api/client.ts';
import { useHasPermission } from '../api/session.ts';
import { Card } from '../kit/card.tsx';
import type { ChartLine } from '../kit/charts/chart-props.ts';
import { TimeChart } from '../kit/charts/time-chart.tsx';
import { download } from '../kit/format/download.ts';
import { count, duration, fixed, mib, objective, parseObjectiveText, rate, usd, usdSmall } from '../kit/format/format.ts';
import { Icon } from '../kit/icon.tsx';
import { LoadedContent } from '../kit/page/loaded.tsx';
import { Note } from '../kit/page/note.tsx';
import { PageLayout } from '../kit/page/page.tsx';
import { Pairs } from '../kit/pairs.tsx';
import { StateMark } from '../kit/state-mark.tsx';
import { CostScatter } from './cost-scatter.tsx';
import { PolicyTable } from './policy-table.tsx';
import { bestOf, policyName, promisedShareOf, simulationQuery, stateLabels, summarizeResults } from './simulations.ts';

export function Results({ run: id }: { readonly run: string }): ReactElement {
  const query = useQuery(simulationQuery(id));
  const run = query.data;
  const facts =
    run === undefined ? undefined : (
      <>
        <span>
          {count(run.load.requests)} requests in {duration(run.load.duration_s * 1000)}
          {run.load.requests === null ? '' : `, mean ${rate(run.load.requests / run.load.duration_s)} /s, peak ${rate(peakOf(run))} /s`}
        </span>
        <span>{objective(run.objective)}</span>
        <span>prices of {run.assumed.prices_as_of}</span>
        <span>seed {run.assumed.seed}</span>
        {run.started_at === null || run.ended_at === null ? null : (
          <span>ran in {duration(Date.parse(run.ended_at) - Date.parse(run.started_at))}</span>
        )}
      </>
    );
  return (
    <PageLayout
      title={run === undefined ? 'Simulation' : `${run.load.name}, ${run.of} ${run.of === 1 ? 'policy' : 'policies'}`}
      aside={run === undefined ? null : <StateMark kind={stateLabels[run.state][0]}>{stateLabels[run.state][1]}</StateMark>}
      facts={facts}
      actions={run === undefined ? undefined : <Actions run={run} />}
    >
      <LoadedContent query={query} what="The simulation could not be loaded.">
        {(data) => <Outcome run={data} />}
      </LoadedContent>
    </PageLayout>
  );
}

function peakOf({ requests }: SimulationResultBody): number {
  return Math.max(0, ...requests.flatMap((each) => each ?? []));
}

function Actions({ run }: { readonly run: SimulationResultBody }): ReactElement {
  const client = useQueryClient();
  const navigate = useNavigate();
  const mayStart = useHasPermission('deploy');
  const cancel = async (): Promise<void> => {
    await remove(path('/simulations/:id', { id: run.id }));
    await client.invalidateQueries({ queryKey: ['simulation', run.id] });
  };
  return (
    <>
      {mayStart && run.ended_at === null ? <Button onClick={() => void cancel()}>Cancel simulation</Button> : null}
      <Button leftSection={<Icon name="edit" />} onClick={() => void navigate({ to: '/what-if', search: {} })}>
        {mayStart ? 'Simulate another' : 'All simulations'}
      </Button>
      {run.results.length === 0 ? null : (
        <Button
          leftSection={<Icon name="download" />}
          onClick={() => download(`simulation-${run.id}.json`, JSON.stringify(run, null, 2), 'application/json')}
        >
          Report
        </Button>
      )}
    </>
  );
}

function Outcome({ run }: { readonly run: SimulationResultBody }): ReactElement {
  const { results } = run;
  const verdict = run.state === 'done' ? summarizeResults(run, results) : null;
  return (
    <>
      {run.ended_at === null ? (
        <div className="section">
          <Progress value={(100 * (run.done + 0.3)) / run.of} aria-label="Progress of the simulation" />
          <p className="sm dim" role="status">
            {run.state === 'waiting' ? 'Waiting for another simulation to finish.' : `${run.done} of ${run.of} policies done.`}
          </p>
        </div>
      ) : null}
      {run.reason === null ? null : (
        <div className="section">
          <Note
            tone={run.state === 'failed' ? 'bad' : 'plain'}
            title={run.state === 'failed' ? 'The simulation failed.' : 'The simulation ended early.'}
          >
            {run.reason}
          </Note>
        </div>
      )}
      {verdict === null ? null : (
        <div className="section">
          <Note tone="accent" title={verdict.title}>
            {verdict.more}
          </Note>
        </div>
      )}
      {results.length === 0 ? null : (
        <>
          <PolicyTable run={run} />
          <div className="grid">
            <div className="c8 stack">
              <Charts run={run} />
            </div>
            <div className="c4 stack">
              <CostScatter run={run} best={bestOf(run, results)} />
              <Assumptions run={run} />
            </div>
          </div>
        </>
      )}
    </>
  );
}

const othersColors = ['ink-3', 'line-2', 'flush', 'ink-2'] as const;

/** The best policy in colour, up to three others in grey. */
function linesOf(run: SimulationResultBody, values: (result: PolicyResultBody) => readonly (number | null)[]): ChartLine[] {
  const best = bestOf(run, run.results);
  const others = run.results.filter((result) => result !== best).slice(0, 3);
  const grey = others.map(
    (result, i): ChartLine => ({
      label: policyName(result.policy),
      color: othersColors[i] ?? 'ink-3',
      width: 1.25,
      isDashed: i % 2 === 1,
      values: values(result),
    }),
  );
  return best === null ? grey : [...grey, { label: policyName(best.policy), color: 'accent', width: 2, values: values(best) }];
}

/** The charts share a time axis: recorded loads use real time, others start at 0. */
function Charts({ run }: { readonly run: SimulationResultBody }): ReactElement {
  const from = run.load.from === null ? 0 : Date.parse(run.load.from) / 1000;
  const at = run.at_s.map((second) => from + second);
  const parsed = parseObjectiveText(run.objective);
  const common = { at, syncKey: 'what-if' };
  return (
    <>
      <TimeChart
        {...common}
        title="Load"
        unit={`/s, mean of ${duration(run.period_s * 1000)}`}
        lines={[{ label: 'requests', color: 'rate', width: 1.5, values: run.requests }]}
        format={(value, isAxis) => (isAxis && Number.isInteger(value) ? fixed(value) : rate(value))}
      />
      <TimeChart
        {...common}
        title="Instances"
        isWhole
        lines={linesOf(run, ({ series }) => series.instances)}
        format={(value, isAxis) => fixed(value, isAxis ? 0 : 1)}
      />
      <TimeChart
        {...common}
        title="p95"
        unit="ms, worst minute"
        lines={linesOf(run, ({ series }) => series.p95_ms)}
        objective={parsed === null ? null : { value: parsed.latencyMs, label: objective(run.objective) }}
        {...(parsed === null ? {} : { topMax: 3 * parsed.latencyMs })}
        format={(value, isAxis) => fixed(value, value < 100 && !(isAxis && Number.isInteger(value)) ? 1 : 0)}
      />
    </>
  );
}

function Assumptions({ run }: { readonly run: SimulationResultBody }): ReactElement {
  const { load, assumed, profile, notes } = run;
  const types = assumed.types.map(
    ({ name, usd_per_hour: price, lead_s: lead }) =>
      `${name}, ${usd(price)} per hour${lead === null ? '' : `, ready in ${duration(lead * 1000)}`}`,
  );
  const kinds = { recorded: 'recorded', trace: 'uploaded', made: 'synthetic' } as const;
  return (
    <Card title="Assumptions" padded>
      <Pairs
        pairs={[
          ['Load', `${kinds[load.kind]}, ${load.name}`],
          ['Service time', profile === 'reference' ? 'the synthetic profile “reference”' : `profile of ${profile}`],
          ['Instance', types.length === 0 ? '–' : types.join('; ')],
          ['Function', `${mib(assumed.memory_mib)}, ${usdSmall(assumed.usd_per_gb_second)} per GB-s`],
          ['Code', 'the production scheduler on a virtual clock'],
          ...notes.map((note, i) => [i === 0 ? 'Notes' : ' ', note] as const),
          ['Objective', `${objective(run.objective)}: at least ${fixed(promisedShareOf(run) * 100, 1)} % in time`],
        ]}
      />
    </Card>
  );
}
