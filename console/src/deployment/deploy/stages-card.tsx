/** The progress of a deployment, stage by stage. */
import { Button } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import type { EndpointBody } from '../../../../src/api/index.ts';
import { endpointQuery } from '../../api/queries.ts';
import { Card } from '../../kit/card.tsx';
import { duration, sentence } from '../../kit/format/format.ts';
import { Icon } from '../../kit/icon.tsx';
import { Note } from '../../kit/page/note.tsx';
import { type Stage, stagesOf } from './stages.ts';

export interface DeployedEndpointCard {
  readonly name: string;
  readonly instances: number;
  /** `performance.now()` at the click. */
  readonly sinceMs: number;
}

/** Polls fast while the endpoint starts, since small models load within a second, and slowly afterwards. */
const pollMs = (endpoint: EndpointBody | undefined): number =>
  endpoint?.status === 'InService' ? 2000 : endpoint?.status === 'Failed' ? 5000 : 200;

export function StagesCard({ deployed, onAgain }: { readonly deployed: DeployedEndpointCard; readonly onAgain: () => void }): ReactElement {
  const { name, instances, sinceMs } = deployed;
  const { data } = useQuery({ ...endpointQuery(name), refetchInterval: ({ state }) => pollMs(state.data), staleTime: 0 });
  const stages = stagesOf(data, instances);
  const tookMs = useTimes(stages, sinceMs);
  const isServed = data?.status === 'InService';
  const heading = useRef<HTMLDivElement>(null);
  // The deploy button has disappeared, so keyboard focus moves here.
  useEffect(() => heading.current?.focus(), []);
  const total = isServed ? tookMs.at(-2) : undefined;
  return (
    <Card
      title={isServed ? `${name} is in service` : `Deploying ${name}`}
      padded
      end={total === undefined ? undefined : `in service after ${duration(total)}`}
    >
      <div ref={heading} tabIndex={-1} className="stages" role="status" aria-label={`Deploying ${name}`}>
        <ol>
          {stages.map((stage, index) => (
            <StageLine key={index} stage={stage} number={index + 1} tookMs={tookMs[index]} beforeMs={tookMs[index - 1] ?? 0} />
          ))}
        </ol>
      </div>
      {data?.status === 'Failed' ? <Failed endpoint={data} /> : null}
      <div className="row wrap stage-actions">
        <Button variant={isServed ? 'filled' : 'default'} renderRoot={(props: object) => <Link to={`/endpoints/${name}`} {...props} />}>
          Open {name}
        </Button>
        {isServed ? <Button renderRoot={(props: object) => <Link to={`/endpoints/${name}/try`} {...props} />}>Try it</Button> : null}
        <Button onClick={onAgain}>Deploy another</Button>
      </div>
    </Card>
  );
}

function StageLine({
  stage: { title, state },
  number,
  tookMs,
  beforeMs,
}: {
  readonly stage: Stage;
  readonly number: number;
  readonly tookMs: number | undefined;
  readonly beforeMs: number;
}): ReactElement {
  return (
    <li className={`step ${state}`} aria-current={state === 'now' ? 'step' : undefined}>
      <i aria-hidden="true">{state === 'done' ? <Icon name="check" /> : state === 'failed' ? <Icon name="cross" /> : number}</i>
      <span>
        {title}
        <span className="unseen">{state === 'done' ? ', done' : state === 'failed' ? ', failed' : ''}</span>
      </span>
      {tookMs === undefined || tookMs - beforeMs < 1 ? null : <span className="end t mut">{duration(Math.max(0, tookMs - beforeMs))}</span>}
    </li>
  );
}

/** When each stage was first observed as done, in milliseconds after the click. */
function useTimes(stages: readonly Stage[], sinceMs: number): readonly number[] {
  const [times, setTimes] = useState<readonly number[]>([]);
  const done = stages.filter(({ state }) => state === 'done').length;
  useEffect(() => {
    setTimes((before) =>
      before.length >= done ? before : [...before, ...Array.from({ length: done - before.length }, () => performance.now() - sinceMs)],
    );
  }, [done, sinceMs]);
  return times;
}

function Failed({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const [head = '', ...lines] = (endpoint.reason ?? 'Unknown reason').split('\n');
  return (
    <>
      <Note tone="bad" title={`${endpoint.name} failed to start.`}>
        {sentence(head)}
      </Note>
      {lines.length === 0 ? null : <pre className="last-lines">{lines.join('\n')}</pre>}
    </>
  );
}
