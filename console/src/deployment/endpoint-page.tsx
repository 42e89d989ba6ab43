/** One endpoint: its promise, its price, the reason; and everything that can be done with it. */
import { ActionIcon, Button, Menu, Tabs } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { type ReactElement, useMemo, useState } from 'react';
import type { AlarmBody, EndpointBody } from '../../../src/api/index.ts';
import { ApiError, path, post, remove } from '../api/client.ts';
import { useLive } from '../api/live.tsx';
import { alarmsOfQuery, endpointQuery, historyQuery } from '../api/queries.ts';
import { useMay } from '../api/session.ts';
import { Chip } from '../kit/chip.tsx';
import { said } from '../kit/code.tsx';
import { Confirm } from '../kit/confirm.tsx';
import { objective as objectiveWords, parseObjective, percent, percentInTime, plural, rate, sentence, usd } from '../kit/format.ts';
import { Icon } from '../kit/icon.tsx';
import { LiveSwitch } from '../kit/live-switch.tsx';
import { Loaded } from '../kit/loaded.tsx';
import { Note } from '../kit/note.tsx';
import { Page } from '../kit/page.tsx';
import { useParameter, useSearchValue, useTab } from '../kit/search-state.ts';
import { StateMark } from '../kit/state-mark.tsx';
import { dayOf } from '../kit/time.ts';
import { type ChosenRange, TimeRange, useTimeRange } from '../kit/time-range.tsx';
import { EndpointData } from './endpoint-data.tsx';
import { EndpointDecisions } from './endpoint-decisions.tsx';
import { EndpointLive } from './endpoint-live.tsx';
import { EndpointLogs } from './endpoint-logs.tsx';
import { EndpointSettings } from './endpoint-settings.tsx';
import { endpointState, isBelowPromise } from './endpoint-state.ts';
import { EndpointVariants, shareOf } from './endpoint-variants.tsx';
import { now, shownInTime, sumsOf } from './history-sums.ts';
import { RollBack, rollBackVerb } from './roll-back.tsx';
import './deployment.css';

export function EndpointPage(): ReactElement {
  const name = useParameter('endpoint');
  const range = useTimeRange('1h');
  useLive({ endpoint: name, ...range.live });
  const endpoint = useQuery(endpointQuery(name));
  if (endpoint.error instanceof ApiError && endpoint.error.status === 404) return <Gone name={name} />;
  return (
    <Page
      title={name}
      beside={endpoint.data === undefined ? undefined : <Beside endpoint={endpoint.data} range={range} />}
      facts={endpoint.data === undefined ? undefined : <Facts endpoint={endpoint.data} />}
      actions={endpoint.data === undefined ? undefined : <Actions endpoint={endpoint.data} />}
    >
      <Loaded query={endpoint} what={`${name} could not be loaded.`} heights={[40, 92, 300]}>
        {(data) => <Content endpoint={data} range={range} />}
      </Loaded>
    </Page>
  );
}

function Gone({ name }: { readonly name: string }): ReactElement {
  return (
    <Page title={name}>
      <Note
        title={`There is no endpoint ${name}.`}
        end={
          <Button size="sm" renderRoot={(props: object) => <Link to="/endpoints" {...props} />}>
            Show all endpoints
          </Button>
        }
      >
        It was deleted, or its name is another.
      </Note>
    </Page>
  );
}

interface WithRange {
  readonly endpoint: EndpointBody;
  readonly range: ChosenRange;
}

function Beside({ endpoint, range }: WithRange): ReactElement {
  const { data: history } = useQuery({ ...historyQuery(endpoint.name, range), enabled: false });
  const total = (pick: (variant: EndpointBody['variants'][number]) => number): number =>
    endpoint.variants.reduce((sum, variant) => sum + pick(variant), 0);
  const sums = useMemo(() => (history === undefined ? null : sumsOf(history)), [history]);
  const inTime = sums === null ? null : shownInTime(endpoint, sums, range);
  const promise = parseObjective(endpoint.objective);
  const ringing = useRinging(endpoint.name);
  const { kind, word } = endpointState({
    status: endpoint.status,
    objective: endpoint.objective,
    in_time_last_hour: endpoint.in_time,
    rate: history === undefined ? 0 : (now(history.columns.rate) ?? 0),
    instances_ready: total(({ ready }) => ready),
    instances_wanted: total(({ wanted }) => wanted),
    has_functions: endpoint.variants.some(({ functions }) => functions !== null),
    alarms: ringing.length,
  });
  return (
    <>
      <StateMark kind={kind}>{word}</StateMark>
      {promise !== null && isBelowPromise(inTime, endpoint.objective) ? (
        <Chip tone="warn">
          in time {percentInTime(inTime)} %, promise {promise.percentile} %
        </Chip>
      ) : null}
      <Chip tone={endpoint.objective === null ? 'plain' : 'accent'}>{objectiveWords(endpoint.objective)}</Chip>
      <Chip>late: {endpoint.late === 'serve' ? 'serve' : 'refuse'}</Chip>
    </>
  );
}

/** Its alarms that ring. */
function useRinging(endpoint: string): readonly AlarmBody[] {
  const { data } = useQuery(alarmsOfQuery(endpoint));
  return (data?.items ?? []).filter(({ state }) => state === 'ALARM');
}

function Facts({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const restarts = endpoint.variants.flatMap(({ workers }) => workers).reduce((sum, worker) => sum + worker.restarts, 0);
  const models = endpoint.variants.map((variant) =>
    endpoint.variants.length === 1 ? variant.model : `${variant.model} ${percent(shareOf(variant, endpoint))} %`,
  );
  return (
    <>
      <span>{models.join(', ')}</span>
      <span>
        since {dayOf(Date.parse(endpoint.created_at))}, {plural(restarts, 'restart')}
      </span>
      {endpoint.description === null || endpoint.description === '' ? null : <span>{endpoint.description}</span>}
    </>
  );
}

const tabs = [
  ['live', 'Live'],
  ['variants', 'Variants'],
  ['decisions', 'Decisions'],
  ['logs', 'Logs'],
  ['data', 'Data and drift'],
  ['settings', 'Settings'],
] as const;

function Content({ endpoint, range }: WithRange): ReactElement {
  const [tab, setTab] = useTab(tabs.map(([value]) => value));
  return (
    <>
      <Troubles endpoint={endpoint} />
      <Tabs value={tab} onChange={(value) => setTab(value ?? 'live')} keepMounted={false}>
        <div className="tabs-row">
          <Tabs.List aria-label={`Parts of ${endpoint.name}`}>
            {tabs.map(([value, title]) => (
              <Tabs.Tab value={value} key={value}>
                {title}
                {value === 'variants' && endpoint.variants.length > 1 ? (
                  <span className="tab-count">{endpoint.variants.length}</span>
                ) : null}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {tab === 'live' ? (
            <span className="row end">
              <TimeRange range={range} />
              <LiveSwitch />
            </span>
          ) : null}
        </div>
        <Tabs.Panel value="live">
          <EndpointLive endpoint={endpoint} range={range} />
        </Tabs.Panel>
        <Tabs.Panel value="variants">
          <EndpointVariants endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="decisions">
          <EndpointDecisions endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="logs">
          <EndpointLogs endpoint={endpoint.name} />
        </Tabs.Panel>
        <Tabs.Panel value="data">
          <EndpointData endpoint={endpoint} />
        </Tabs.Panel>
        <Tabs.Panel value="settings">
          <EndpointSettings endpoint={endpoint} />
        </Tabs.Panel>
      </Tabs>
    </>
  );
}

/** What is wrong, before anything else. */
function Troubles({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement | null {
  const { status, reason, notes, name } = endpoint;
  const isWatched = status === 'Updating' && endpoint.rollout?.state === 'shifting';
  const [, setTab] = useSearchValue('tab', 'live');
  const ringing = useRinging(name);
  if (reason === null && notes.length === 0 && ringing.length === 0) return null;
  return (
    <div className="section stack">
      {reason === null ? null : (
        <Note
          tone={status === 'Failed' ? 'bad' : isWatched ? 'accent' : 'warn'}
          title={status === 'Failed' ? `${name} failed.` : isWatched ? `${name} is being updated.` : `${name} needs a look.`}
          end={
            <Button size="sm" onClick={() => setTab('logs')}>
              Last log lines
            </Button>
          }
        >
          {said(sentence(reason))}
        </Note>
      )}
      {ringing.map((alarm) => (
        <Note
          key={alarm.name}
          tone="warn"
          title={`${alarm.name} rings.`}
          end={
            <Button size="sm" renderRoot={(props: object) => <Link to="/monitoring" {...props} />}>
              All alarms
            </Button>
          }
        >
          {said(sentence(alarm.reason))}
        </Note>
      ))}
      {notes.map((note) => (
        <Note key={note} title="To know:">
          {said(note)}
        </Note>
      ))}
    </div>
  );
}

function Actions({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const mayDeploy = useMay('deploy');
  const mayInvoke = useMay('invoke');
  return (
    <>
      {mayInvoke ? (
        <Button
          leftSection={<Icon name="play" />}
          renderRoot={(props: object) => <Link to="/endpoints/$endpoint/try" params={{ endpoint: endpoint.name }} {...props} />}
        >
          Try it
        </Button>
      ) : null}
      {mayDeploy ? (
        <>
          <Button
            leftSection={<Icon name="edit" />}
            renderRoot={(props: object) => <Link to="." search={{ tab: 'settings' }} {...props} />}
          >
            Change objective
          </Button>
          <More endpoint={endpoint} />
        </>
      ) : null}
    </>
  );
}

function More({ endpoint }: { readonly endpoint: EndpointBody }): ReactElement {
  const client = useQueryClient();
  const [isDeleting, setIsDeleting] = useState(false);
  const [isStopping, setIsStopping] = useState(false);
  const [isGoingBack, setIsGoingBack] = useState(false);
  const verb = rollBackVerb(endpoint);
  const isStopped = endpoint.status === 'Unloaded';
  const send = async (verb: 'load' | 'unload'): Promise<void> => {
    const changed = await post<EndpointBody>(path(`/endpoints/:endpoint/${verb}`, { endpoint: endpoint.name }));
    client.setQueryData(endpointQuery(endpoint.name).queryKey, changed);
  };
  return (
    <>
      <Menu>
        <Menu.Target>
          <ActionIcon aria-label="More actions">
            <Icon name="more" />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          {verb === null ? null : <Menu.Item onClick={() => setIsGoingBack(true)}>{verb}</Menu.Item>}
          {isStopped ? (
            <Menu.Item onClick={() => void send('load')}>Serve again</Menu.Item>
          ) : (
            <Menu.Item onClick={() => setIsStopping(true)}>Stop, keep settings</Menu.Item>
          )}
          <Menu.Item color="var(--bad)" onClick={() => setIsDeleting(true)}>
            Delete endpoint
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      {isGoingBack ? <RollBack endpoint={endpoint} onClose={() => setIsGoingBack(false)} /> : null}
      {isStopping ? (
        <Confirm
          title={`Stop ${endpoint.name}?`}
          consequences={[
            'Requests are refused from now on; those under way are answered.',
            'Its workers stop, and cost nothing any more.',
            'Its settings stay: it can be served again at any time.',
          ]}
          action="Stop endpoint"
          onConfirm={() => send('unload')}
          onClose={() => setIsStopping(false)}
        />
      ) : null}
      {isDeleting ? <Delete endpoint={endpoint} onClose={() => setIsDeleting(false)} /> : null}
    </>
  );
}

function Delete({ endpoint, onClose }: { readonly endpoint: EndpointBody; readonly onClose: () => void }): ReactElement {
  const client = useQueryClient();
  const navigate = useNavigate();
  const found = client.getQueriesData<Parameters<typeof sumsOf>[0]>({ queryKey: ['history', endpoint.name] }).at(-1)?.[1];
  const sums = found === undefined ? null : sumsOf(found);
  const workers = endpoint.variants.reduce((sum, variant) => sum + variant.workers.length, 0);
  const consequences = [
    sums?.rate ? `${rate(sums.rate)} requests per second will be refused from now on.` : 'Requests to it will be refused from now on.',
    `${plural(workers, 'worker')} ${workers === 1 ? 'stops' : 'stop'}${sums?.usdPerHour ? `; saves ${usd(sums.usdPerHour)} per hour` : ''}.`,
    'Its decisions go with it. What it measured stays for 90 days, its costs for 400; the model stays.',
  ];
  return (
    <Confirm
      title={`Delete endpoint ${endpoint.name}?`}
      consequences={consequences}
      typed={{ label: 'Type the endpoint’s name', name: endpoint.name }}
      action="Delete endpoint"
      onConfirm={async () => {
        await remove(path('/endpoints/:endpoint', { endpoint: endpoint.name }));
        await navigate({ to: '/endpoints' });
        await client.invalidateQueries();
      }}
      onClose={onClose}
    />
  );
}
