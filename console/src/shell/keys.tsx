/** Keyboard shortcuts. Single keys do nothing in input fields and can be turned off; `?` lists all shortcuts. */
import { Kbd, Modal, Switch } from '@mantine/core';
import { useNavigate } from '@tanstack/react-router';
import { type ReactElement, useEffect, useRef, useState } from 'react';
import { actionOf } from '../kit/page/page-keys.ts';
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

/** Moves the focus to the next or previous table row (`j`, `k`); Enter opens the row. */
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

export function KeyboardHelp({ onSearch }: KeysProps): ReactElement {
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
      if (runKey(event)) event.preventDefault();
      else if (event.key === 'g') chordAt.current = event.timeStamp;
    };
    document.addEventListener('keydown', press);
    return () => document.removeEventListener('keydown', press);
  }, [navigate, onSearch]);
  return <KeysModal isOpen={isOpen} onClose={() => setIsOpen(false)} />;
}

/** Runs the action of a key. Returns whether there was one. */
function runKey({ key, target }: KeyboardEvent): boolean {
  if (key === 'j' || key === 'k') {
    goRow(key === 'j' ? 1 : -1);
    return true;
  }
  if (key === '/') {
    document.querySelector<HTMLElement>('[data-filter]')?.focus();
    return true;
  }
  // On a button, the space bar must press the button.
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
      // Without storage, single keys are on again after a reload.
    }
  };
  const lines: readonly (readonly [keys: readonly string[], does: string])[] = [
    [['Ctrl', 'K'], 'Search, or jump to a page, endpoint or model'],
    ...pages.map(({ key, title }) => [['g', key], title] as const),
    [['/'], 'Filter'],
    [['j', 'k'], 'Next or previous row; Enter opens it'],
    [['Space'], 'Pause or resume live updates'],
    [['[', ']'], 'Shorter or longer time range'],
    [['?'], 'Show this list'],
  ];
  return (
    <Modal opened={isOpen} onClose={onClose} title="Keyboard shortcuts">
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
      <Switch mt="lg" label="Single-key shortcuts" checked={isOn} onChange={(event) => change(event.currentTarget.checked)} />
    </Modal>
  );
}
