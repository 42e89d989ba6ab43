/** `penstock catalogue`: the models that come with the product. */
import type { Command } from 'commander';
import type { CatalogueBody, CatalogueEntryBody } from '../../api/index.ts';
import { part } from '../client.ts';
import type { Doors } from '../doors.ts';
import { table } from '../table.ts';
import { verb } from '../verb.ts';

export function addCatalogue(program: Command, doors: Doors): void {
  verb(program, doors, 'catalogue [name]', 'list the models that come with Penstock, or show the card of one').runs(
    async (session, _options, name: string | undefined) => {
      const client = await session.client();
      if (name !== undefined) {
        const entry = await client.get<CatalogueEntryBody>(`/catalogue/${part(name)}`);
        session.print(entry, `${entry.card.trimEnd()}\n\nDeploy it with: penstock deploy catalogue:${entry.name} --approve\n`);
        return 0;
      }
      const { items } = await client.get<{ items: readonly CatalogueBody[] }>('/catalogue');
      session.print(
        items,
        table(items, [
          { title: 'NAME', cell: (entry) => entry.name },
          { title: 'WHAT IT DOES', cell: (entry) => entry.title },
          { title: 'ACCURACY', cell: ({ accuracy }) => accuracy.value, align: 'right' },
          { title: 'ROWS', cell: ({ accuracy }) => accuracy.rows, align: 'right' },
          { title: 'OBJECTIVE IT KEEPS', cell: (entry) => entry.objective },
          { title: 'LICENCE', cell: ({ licence }) => licence.weights },
        ]),
      );
      session.remark('deploy one with `penstock deploy catalogue:NAME --approve`');
      return 0;
    },
  );
}
