/** The inputs and outputs of a model. */
import type { ReactElement } from 'react';
import type { VersionBody } from '../../../../src/api/index.ts';
import { shape } from '../../kit/format/format.ts';

export function SignatureTable({ signature }: { readonly signature: VersionBody['signature'] }): ReactElement {
  const rows = [
    ...signature.inputs.map((tensor) => ({ side: 'Input', tensor })),
    ...signature.outputs.map((tensor) => ({ side: 'Output', tensor })),
  ];
  return (
    <div className="tw">
      <table className="dense signature">
        <caption className="unseen">Signature</caption>
        <thead>
          <tr>
            <th scope="col">Direction</th>
            <th scope="col">Name</th>
            <th scope="col">Type and shape</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ side, tensor }) => (
            <tr key={`${side} ${tensor.name}`}>
              <td className="mut">{side}</td>
              <th scope="row">
                <code>{tensor.name}</code>
              </th>
              <td>
                <code>{shape(tensor)}</code>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
