/** Navigation, server health and the current user. */
import { ActionIcon, useComputedColorScheme, useMantineColorScheme } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import type { StatusBody } from '../../../src/api/index.ts';
import { useAwaySinceMs } from '../api/away.ts';
import { groupsQuery, statusQuery } from '../api/queries.ts';
import { sessionQuery } from '../api/session.ts';
import { count, plural } from '../kit/format/format.ts';
import { Icon, Logo } from '../kit/icon.tsx';
import { StateMark } from '../kit/state-mark.tsx';
import { type NavigationPage, pages } from './pages.ts';

export function Sidebar({ onNavigate }: { readonly onNavigate?: () => void }): ReactElement {
  const { data: status } = useQuery(statusQuery());
  const { data: groups } = useQuery(groupsQuery());
  const counts: Partial<Record<NavigationPage['to'], number>> = {};
  if (status !== undefined) counts['/endpoints'] = Object.values(status.endpoints).reduce((sum, value) => sum + value, 0);
  if (groups !== undefined) counts['/models'] = groups.items.length;
  const linksAt = (place: NavigationPage['place']): ReactElement[] =>
    pages
      .filter((page) => page.place === place && (page.to !== '/cluster' || status?.cluster === true))
      .map((page) => <PageLink key={page.to} page={page} count={counts[page.to]} onNavigate={onNavigate} />);
  return (
    <div className="side-body">
      <Link to="/" className="brand" {...(onNavigate === undefined ? {} : { onClick: onNavigate })}>
        <Logo />
        Penstock
      </Link>
      <nav aria-label="Main" className="nav">
        {linksAt('main')}
        <p className="nav-title">System</p>
        {linksAt('system')}
      </nav>
      <Foot status={status} />
    </div>
  );
}

function PageLink({
  page,
  count: items,
  onNavigate,
}: {
  page: NavigationPage;
  count: number | undefined;
  onNavigate: (() => void) | undefined;
}): ReactElement {
  return (
    <Link
      to={page.to}
      activeOptions={{ exact: page.to === '/', includeSearch: false }}
      activeProps={{ 'aria-current': 'page' }}
      {...(onNavigate === undefined ? {} : { onClick: onNavigate })}
    >
      <Icon name={page.icon} />
      {page.title}
      {items === undefined ? null : <span className="k">{count(items)}</span>}
    </Link>
  );
}

function Foot({ status }: { readonly status: StatusBody | undefined }): ReactElement {
  const { data: session } = useQuery(sessionQuery());
  const { setColorScheme } = useMantineColorScheme();
  const scheme = useComputedColorScheme('light');
  return (
    <div className="foot">
      <div className="row">
        <Health status={status} />
        <ActionIcon
          variant="subtle"
          color="gray"
          size={28}
          aria-label={`Switch to ${scheme === 'dark' ? 'light' : 'dark'}`}
          onClick={() => setColorScheme(scheme === 'dark' ? 'light' : 'dark')}
        >
          <Icon name="sun" />
        </ActionIcon>
      </div>
      {status === undefined ? null : (
        <>
          <div>penstock {status.version}</div>
          <div>{plural(status.cores, 'core')}</div>
        </>
      )}
      {session === undefined ? null : (
        <div>
          {session.key_id === 'anonymous' ? 'local user' : session.key_id}, {session.role}
        </div>
      )}
    </div>
  );
}

function Health({ status }: { readonly status: StatusBody | undefined }): ReactElement {
  const isAway = useAwaySinceMs() !== null;
  if (isAway) return <StateMark kind="bad">Not responding</StateMark>;
  if (status === undefined) return <StateMark kind="zero">Loading</StateMark>;
  const failed = status.endpoints['Failed'] ?? 0;
  if (failed > 0) return <StateMark kind="bad">{plural(failed, 'endpoint')} failed</StateMark>;
  if (!status.ready) return <StateMark kind="changing">Starting</StateMark>;
  const { waiting_workers: waiting, lost_hosts: lost } = status;
  if (waiting > 0) return <StateMark kind="bad">{plural(waiting, 'worker')} without room</StateMark>;
  if (lost > 0) return <StateMark kind="bad">{plural(lost, 'host')} lost</StateMark>;
  return <StateMark kind="ok">Healthy</StateMark>;
}
