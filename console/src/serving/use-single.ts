/** Sends one row at a time; holds the last result or error. */
import { useState } from 'react';
import { instanceOf, type RowValues } from './mapping.ts';
import type { InputSignature } from './signature.ts';
import { type InvokedRows, invokeRows } from './use-invoke.ts';

export function useSingle(endpoint: string, { inputs }: InputSignature) {
  const [invoked, setInvoked] = useState<InvokedRows | null>(null);
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
