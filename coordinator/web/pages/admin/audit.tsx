import { usePagedList } from '../../api/paged.ts';
import type { AuditEvent } from '../../api/types.ts';
import { formatDateTime } from '../../i18n/format.ts';
import { t } from '../../i18n/translate.ts';
import { Listing } from '../../parts/listing.tsx';
import { Empty } from '../../parts/states.tsx';
import { useTitle } from '../../parts/use-title.ts';

/** Who did what to accounts, when and from where. */
export function AuditPage() {
  const list = usePagedList<AuditEvent>('/admin/audit', { limit: 100 });
  useTitle(t('audit'));
  return (
    <>
      <div class="page-head">
        <h1>{t('audit')}</h1>
      </div>
      <Listing list={list} empty={<Empty icon="log" title={t('nothingFound')} />}>
        {(events) => (
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls sideways has to be reached by keys
          <section class="table-frame panel" tabIndex={0} aria-label={t('audit')}>
            <table class="table">
              <thead>
                <tr>
                  <th scope="col">{t('when')}</th>
                  <th scope="col">{t('what')}</th>
                  <th scope="col">{t('who')}</th>
                  <th scope="col">{t('fromWhere')}</th>
                  <th scope="col">{t('moreAbout')}</th>
                </tr>
              </thead>
              <tbody>
                {events.map(({ id, at, kind, actor, address, details }) => (
                  <tr key={id}>
                    <td class="nowrap">{formatDateTime(at)}</td>
                    <td>{kind.replaceAll('_', ' ')}</td>
                    <td dir="auto">{actor}</td>
                    <td>{address}</td>
                    <td class="small">{detailsText(details)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </section>
        )}
      </Listing>
    </>
  );
}

function detailsText(details: Readonly<Record<string, unknown>>): string {
  return Object.entries(details)
    .map(([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ');
}
