/** Ctrl K: finds pages, endpoints and models by part of their name. */
import { Combobox, Modal, TextInput, useCombobox } from '@mantine/core';
import { useQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useEffect, useState } from 'react';
import { endpointsQuery, groupsQuery } from '../api/queries.ts';
import { Icon, type IconName } from '../kit/icon.tsx';
import { pages } from './pages.ts';

interface SearchTarget {
  readonly to: string;
  readonly title: string;
  readonly kind: string;
  readonly icon: IconName;
}

const shownMax = 12;

export function Search({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }): ReactElement {
  return (
    <Modal
      opened={isOpen}
      onClose={onClose}
      withCloseButton={false}
      padding="sm"
      attributes={{ content: { 'aria-label': 'Search' } }}
      yOffset="12vh"
      centered={false}
    >
      <SearchBox onClose={onClose} />
    </Modal>
  );
}

function SearchBox({ onClose }: { readonly onClose: () => void }): ReactElement {
  const [text, setText] = useState('');
  const navigate = useNavigate();
  const combobox = useCombobox({ opened: true });
  const targets = useSearchTargets(text);
  // Select the first result whenever the results change.
  useEffect(() => void combobox.selectFirstOption(), [targets.map(({ to }) => to).join()]);
  const go = (to: string): void => {
    onClose();
    void navigate({ to });
  };
  return (
    <Combobox store={combobox} withinPortal={false} onOptionSubmit={go}>
      <Combobox.EventsTarget>
        <TextInput
          data-autofocus
          aria-label="Search or jump to"
          placeholder="Search or jump to"
          leftSection={<Icon name="find" />}
          value={text}
          onChange={(event) => setText(event.currentTarget.value)}
          // The list of results is always open, so the combobox would take Escape for itself and never pass it to the dialog.
          onKeyDown={({ key, nativeEvent }) => {
            if (key === 'Escape' && !nativeEvent.isComposing) onClose();
          }}
        />
      </Combobox.EventsTarget>
      <Combobox.Options className="search-list" mt="sm" aria-label="Results">
        {targets.map(({ to, title, kind, icon }) => (
          <Combobox.Option value={to} key={to}>
            <span className="row">
              <Icon name={icon} />
              {title}
              <span className="end dim sm">{kind}</span>
            </span>
          </Combobox.Option>
        ))}
        {targets.length === 0 ? <Combobox.Empty>No results.</Combobox.Empty> : null}
      </Combobox.Options>
    </Combobox>
  );
}

/** Results that start with the text come first. */
function useSearchTargets(text: string): readonly SearchTarget[] {
  const { data: endpoints } = useQuery(endpointsQuery());
  const { data: groups } = useQuery(groupsQuery());
  const all: SearchTarget[] = [
    ...pages.map(({ to, title, icon }) => ({ to, title, icon, kind: 'page' })),
    ...(endpoints?.items ?? []).flatMap(({ name }): SearchTarget[] => [
      { to: `/endpoints/${name}`, title: name, kind: 'endpoint', icon: 'endpoint' },
      { to: `/endpoints/${name}/try`, title: `Try ${name}`, kind: 'endpoint', icon: 'play' },
    ]),
    ...(groups?.items ?? []).map(({ name }): SearchTarget => ({ to: `/models/${name}`, title: name, kind: 'model', icon: 'model' })),
  ];
  const wanted = text.trim().toLowerCase();
  const found = all.filter(({ title }) => title.toLowerCase().includes(wanted));
  const rank = ({ title }: SearchTarget): number => (title.toLowerCase().startsWith(wanted) ? 0 : 1);
  return found.toSorted((a, b) => rank(a) - rank(b)).slice(0, shownMax);
}
