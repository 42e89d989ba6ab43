/** The frame of every page: sidebar, top bar, live bar, search. */
import { ActionIcon, Drawer, Kbd } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { Outlet, useLocation } from '@tanstack/react-router';
import { type ReactElement, useCallback, useEffect, useRef, useState } from 'react';
import { useAwaySinceMs } from '../api/away.ts';
import { ApiError } from '../api/client.ts';
import { sessionQuery } from '../api/session.ts';
import { Icon } from '../kit/icon.tsx';
import { Breadcrumb } from './breadcrumb.tsx';
import { KeyboardHelp } from './keys.tsx';
import { LiveBar } from './live-bar.tsx';
import { Search } from './search.tsx';
import { Sidebar } from './sidebar.tsx';
import { SignedOut } from './signed-out.tsx';

export function Shell(): ReactElement {
  const [isMenuOpen, setIsMenuOpen] = useState(false);
  const [isSearching, setIsSearching] = useState(false);
  const search = useCallback(() => setIsSearching(true), []);
  const { error } = useQuery(sessionQuery());
  const main = useFocusAfterNavigation();
  const isAway = useAwaySinceMs() !== null;
  if (error instanceof ApiError && (error.status === 401 || error.status === 403)) return <SignedOut />;
  return (
    <div className="app">
      <a className="skip" href="#main">
        Skip to content
      </a>
      <aside className="side" aria-label="Sidebar">
        <Sidebar />
      </aside>
      <Drawer
        opened={isMenuOpen}
        onClose={() => setIsMenuOpen(false)}
        size={240}
        padding={0}
        withCloseButton={false}
        attributes={{ content: { 'aria-label': 'Menu' } }}
      >
        <Sidebar onNavigate={() => setIsMenuOpen(false)} />
      </Drawer>
      <div>
        <header className="top-bar">
          <ActionIcon className="burger" variant="subtle" color="gray" size={36} aria-label="Open menu" onClick={() => setIsMenuOpen(true)}>
            <Icon name="menu" />
          </ActionIcon>
          <Breadcrumb />
          <button type="button" className="find" onClick={search}>
            <Icon name="find" />
            <span>Search or jump to</span>
            <Kbd>Ctrl K</Kbd>
          </button>
        </header>
        <LiveBar />
        <main id="main" tabIndex={-1} ref={main} className={isAway ? 'stale' : undefined}>
          <Outlet />
        </main>
      </div>
      <Search isOpen={isSearching} onClose={() => setIsSearching(false)} />
      <KeyboardHelp onSearch={search} />
    </div>
  );
}

/** Moves the focus to the new page after navigation, for screen readers and keyboard users. */
function useFocusAfterNavigation() {
  const main = useRef<HTMLElement>(null);
  const { pathname } = useLocation();
  const before = useRef(pathname);
  useEffect(() => {
    if (before.current === pathname) return;
    before.current = pathname;
    main.current?.focus();
    window.scrollTo(0, 0);
  }, [pathname]);
  return main;
}
