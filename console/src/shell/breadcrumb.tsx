/** The breadcrumb, derived from the path. */
import { Link, useLocation } from '@tanstack/react-router';
import type { ReactElement } from 'react';
import { pages } from './pages.ts';

interface Crumb {
  readonly title: string;
  readonly to: string;
}

const titles: Readonly<Record<string, string>> = { try: 'Try it' };

export function crumbsOf(pathname: string): Crumb[] {
  if (pathname === '/') return [{ title: 'Overview', to: '/' }];
  const parts = pathname.split('/').filter((part) => part !== '');
  const [first, second = '', third] = parts;
  const isKind = first === 'training' && (second === 'tuning' || second === 'processing') && third !== undefined;
  const hasExecutions = first === 'pipelines' && third === 'executions';
  return parts.flatMap((part, index) => {
    if (index === 1 && (isKind || hasExecutions)) return []; // no page of its own
    const to = `/${parts.slice(0, index + 1).join('/')}`;
    const page = index === 0 ? pages.find((each) => each.to === to) : undefined;
    if (index === 2 && hasExecutions) return [{ title: decodeURIComponent(second), to }];
    return [{ title: page?.title ?? (index > 1 ? titles[part] : undefined) ?? decodeURIComponent(part), to }];
  });
}

export function Breadcrumb(): ReactElement {
  const crumbs = crumbsOf(useLocation().pathname);
  return (
    <nav className="crumbs" aria-label="Breadcrumb">
      <ol>
        {crumbs.map(({ title, to }, index) => (
          <li key={to} aria-current={index === crumbs.length - 1 ? 'page' : undefined}>
            {index === crumbs.length - 1 ? title : <Link to={to}>{title}</Link>}
            {index === crumbs.length - 1 ? null : (
              <span className="dim" aria-hidden="true">
                {' /'}
              </span>
            )}
          </li>
        ))}
      </ol>
    </nav>
  );
}
