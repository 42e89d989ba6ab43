/** `penstock catalogue`: the bundled models. */
import type { Command } from 'commander';
import type { CatalogueBody, CatalogueEntryBody } from '../../../api/index.ts';
import type { CliContext } from '../../cli-context.ts';
import { pathSegment } from '../../client/client.ts';
import { table } from '../../output/table.ts';
import { verb } from '../../verb.ts';

export function addCatalogue(program: Command, context: CliContext): void {
  verb(program, context, 'catalogue [name]', 'list the bundled models, or show the model card of one').runs(
    async (session, _options, name: string | undefined) => {
      const client = await session.client();
      if (name !== undefined) {
        const entry = await client.get<CatalogueEntryBody>(`/catalogue/${pathSegment(name)}`);
        session.print(
          entry,
          `${entry.card.trimEnd()}\n\nDeploy it with: penstock deploy catalogue:${entry.name} ${entry.name} --approve\n`,
        );
        return 0;
      }
      const { items } = await client.get<{ items: readonly CatalogueBody[] }>('/catalogue');
      session.print(
        items,
        table(items, [
          { title: 'NAME', cell: (entry) => entry.name },
          { title: 'DESCRIPTION', cell: (entry) => entry.title },
          { title: 'ACCURACY', cell: ({ accuracy }) => accuracy.value, align: 'right' },
          { title: 'ROWS', cell: ({ accuracy }) => accuracy.rows, align: 'right' },
          { title: 'OBJECTIVE', cell: (entry) => entry.objective },
          { title: 'LICENCE', cell: ({ licence }) => licence.weights },
        ]),
      );
      session.remark('deploy one with `penstock deploy catalogue:NAME ENDPOINT --approve`');
      return 0;
    },
  );
}
