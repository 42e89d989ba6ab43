/** The keys of the console. Single keys do nothing inside fields, and can be switched off; `?` shows them. */
import { Kbd, Modal, Switch } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { actionOf } from '../kit/page-keys.ts';
import { pages } from './pages.ts';

const stored = 'penstock-single-keys';
const chordMs = 1200;

function areOn(): boolean {
  try {
    return localStorage.getItem(stored) !== 'off';
  } catch {
    return true;
  }
}

function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName) || target.closest('[role="dialog"]') !== null;
}

/** Rows of the table that is nearest to the top: `j` and `k` go through them, Enter opens the one that has the focus. */
function goRow(step: 1 | -1): void {
  const links = [...document.querySelectorAll<HTMLElement>('main tr.go a.name, main tr.go button.name')].filter(
    (link) => link.offsetParent !== null,
  );
  const now = links.findIndex((link) => link.closest('tr') === document.activeElement?.closest('tr'));
  links[Math.max(0, Math.min(links.length - 1, now + step))]?.focus();
}

interface KeysProps {
  readonly onSearch: () => void;
}

export function Keys({ onSearch }: KeysProps): ReactElement {
  const [isOpen, setIsOpen] = useState(false);
  const navigate = useNavigate();
  const chordAt = useRef(Number.NEGATIVE_INFINITY);
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === 'k') {
        event.preventDefault();
        onSearch();
        return;
      }
      if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === '?') setIsOpen(true);
      if (!areOn()) return;
      if (event.timeStamp - chordAt.current < chordMs) {
        chordAt.current = Number.NEGATIVE_INFINITY;
        const page = pages.find(({ key }) => key === event.key);
        if (page !== undefined) void navigate({ to: page.to });
        return;
      }
      if (pressed(event)) event.preventDefault();
      else if (event.key === 'g') chordAt.current = event.timeStamp;
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [navigate, onSearch]);
  return <KeysModal isOpen={isOpen} onClose={() => setIsOpen(false)} />;
}

/** Whether the key does something here. */
function pressed({ key, target }: KeyboardEvent): boolean {
  if (key === 'j' || key === 'k') {
    goRow(key === 'j' ? 1 : -1);
    return true;
  }
  if (key === '/') {
    document.querySelector<HTMLElement>('[data-filter]')?.focus();
    return true;
  }
  // A blank on a button presses that.
  if (key === ' ' && target instanceof HTMLElement && target !== document.body && target.tagName !== 'MAIN') return false;
  const action = actionOf(key);
  action?.();
  return action !== undefined;
}

function KeysModal({ isOpen, onClose }: { readonly isOpen: boolean; readonly onClose: () => void }): ReactElement {
  const [isOn, setIsOn] = useState(areOn);
  const change = (on: boolean): void => {
    setIsOn(on);
    try {
      localStorage.setItem(stored, on ? 'on' : 'off');
    } catch {
      // A browser that keeps nothing: they stay on.
    }
  };
  const lines: readonly (readonly [keys: readonly string[], does: string])[] = [
    [['Ctrl', 'K'], 'Search, or jump to a page, an endpoint, a model'],
    ...pages.map(({ key, title }) => [['g', key], title] as const),
    [['/'], 'Filter'],
    [['j', 'k'], 'Next row, row before; Enter opens it'],
    [['Space'], 'Pause, go live'],
    [['[', ']'], 'Shorter, longer range'],
    [['?'], 'These keys'],
  ];
  return (
    <Modal opened={isOpen} onClose={onClose} title="Keys">
      <dl className="keys">
        {lines.map(([keys, does]) => (
          <div key={does} style={{ display: 'contents' }}>
            <dt className="row">
              {keys.map((key) => (
                <Kbd key={key}>{key}</Kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <Switch mt="lg" label="Single keys" checked={isOn} onChange={(event) => change(event.currentTarget.checked)} />
    </Modal>
  );
}
