/** The draft of the deploy page. Changes apply at once and are written to the URL after 250 ms without a further change. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { useSearchValues } from '../../kit/page/search-state.ts';
import { type DeployDraft, draftOf, searchOf } from './draft.ts';

const writeMs = 250;

export function useDraft(): [DeployDraft, (change: Partial<DeployDraft>) => void] {
  const [search, write] = useSearchValues();
  const [draft, setDraft] = useState(() => draftOf(search));
  const written = useRef(JSON.stringify(searchOf(draft)));
  const isOurs = useRef(false);
  useEffect(() => {
    const text = JSON.stringify(searchOf(draft));
    if (text === written.current) return undefined;
    const timer = setTimeout(() => {
      written.current = text;
      isOurs.current = true;
      write(searchOf(draft), { replace: true });
    }, writeMs);
    return () => clearTimeout(timer);
  }, [draft, write]);
  // A link, or Back, replaces the draft.
  const fromUrl = JSON.stringify(searchOf(draftOf(search)));
  useEffect(() => {
    if (fromUrl === written.current || isOurs.current) {
      isOurs.current = false;
      return;
    }
    written.current = fromUrl;
    setDraft(draftOf(JSON.parse(fromUrl) as Record<string, string>));
  }, [fromUrl]);
  return [draft, useCallback((change) => setDraft((before) => ({ ...before, ...change })), [])];
}

/** Debounces a value: returns it once it has not changed for `ms`. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
