/** The wish as it is being made: at once on the page, and in the address once nobody moves anything any more. */
import { useCallback, useEffect, useRef, useState } from 'react';
import { useSearchValues } from '../../kit/search-state.ts';
import { searchOf, type Wish, wishOf } from './wish.ts';

const writeMs = 250;

export function useWish(): [Wish, (change: Partial<Wish>) => void] {
  const [search, write] = useSearchValues();
  const [wish, setWish] = useState(() => wishOf(search));
  const written = useRef(JSON.stringify(searchOf(wish)));
  const isOurs = useRef(false);
  useEffect(() => {
    const text = JSON.stringify(searchOf(wish));
    if (text === written.current) return undefined;
    const timer = setTimeout(() => {
      written.current = text;
      isOurs.current = true;
      write(searchOf(wish), { replace: true });
    }, writeMs);
    return () => clearTimeout(timer);
  }, [wish, write]);
  // A link, or Back, leads to another wish.
  const said = JSON.stringify(searchOf(wishOf(search)));
  useEffect(() => {
    if (said === written.current || isOurs.current) {
      isOurs.current = false;
      return;
    }
    written.current = said;
    setWish(wishOf(JSON.parse(said) as Record<string, string>));
  }, [said]);
  return [wish, useCallback((change) => setWish((before) => ({ ...before, ...change })), [])];
}

/** A value once it has stood still for so long. */
export function useSettled<T>(value: T, ms: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), ms);
    return () => clearTimeout(timer);
  }, [value, ms]);
  return settled;
}
