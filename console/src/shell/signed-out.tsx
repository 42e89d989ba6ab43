/** Where the server does not know who looks: how to get in. */
import type { ReactElement } from 'react';
import type { ApiError } from '../api/client.ts';
import { Logo } from '../kit/icon.tsx';
import { sentence } from '../kit/loaded.tsx';

export function SignedOut({ error }: { readonly error: ApiError }): ReactElement {
  return (
    <main className="alone">
      <div className="row">
        <Logo />
        <h1>Penstock</h1>
      </div>
      <p>This console is opened by a link that works once. `penstock up` printed one when it started.</p>
      <p className="mut">{sentence(error.message)}</p>
    </main>
  );
}
