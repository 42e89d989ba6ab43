/** One row at a time: the last answer, or why there is none. */
import { useState } from 'react';
import { instanceOf, type RowValues } from './mapping.ts';
import type { Signature } from './signature.ts';
import { type Invoked, invokeRows } from './use-invoke.ts';

export function useSingle(endpoint: string, { inputs }: Signature) {
  const [invoked, setInvoked] = useState<Invoked | null>(null);
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setIsBusy] = useState(false);
  const send = (values: RowValues): void => {
    setIsBusy(true);
    setError(null);
    invokeRows(endpoint, [instanceOf(values, inputs)])
      .then(setInvoked, setError)
      .finally(() => setIsBusy(false));
  };
  return { invoked, error, isBusy, send };
}
