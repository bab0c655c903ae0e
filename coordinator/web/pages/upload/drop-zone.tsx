import { useSignal } from '@preact/signals';
import { useRef } from 'preact/hooks';
import { t } from '../../i18n/translate.ts';
import { Button } from '../../parts/button.tsx';
import { Icon } from '../../parts/icon.tsx';
import { type ChosenFile, droppedFiles, hasPicker, pickFiles } from '../../upload/chosen-files.ts';

interface DropZoneProps {
  readonly isSmall: boolean;
  readonly onFiles: (files: readonly ChosenFile[]) => void;
}

/** Takes files that are dropped on it, or chosen in the browser's dialog. */
export function DropZone({ isSmall, onFiles }: DropZoneProps) {
  const isOver = useSignal(false);
  const input = useRef<HTMLInputElement>(null);
  const choose = async () => {
    if (hasPicker()) onFiles(await pickFiles());
    else input.current?.click();
  };
  return (
    <section
      class={`drop ${isOver.value ? 'drop-over' : ''} ${isSmall ? 'drop-small' : ''}`}
      aria-label={t('dropHere')}
      onDragOver={(event) => {
        event.preventDefault();
        isOver.value = true;
      }}
      onDragLeave={() => {
        isOver.value = false;
      }}
      onDrop={(event) => {
        event.preventDefault();
        isOver.value = false;
        if (event.dataTransfer !== null) void droppedFiles(event.dataTransfer).then(onFiles);
      }}
    >
      <span class="drop-icon">
        <Icon name="upload" size={isSmall ? 24 : 40} />
      </span>
      <p class="drop-text">{t('dropHere')}</p>
      <Button look="main" onClick={() => void choose()}>
        {t('chooseFiles')}
      </Button>
      <input
        ref={input}
        type="file"
        multiple
        class="for-readers"
        tabIndex={-1}
        aria-label={t('chooseFiles')}
        accept="video/*,audio/*,.mkv,.mov,.avi,.ts,.m2ts,.mxf"
        onChange={(event) => {
          const files = [...(event.currentTarget.files ?? [])];
          onFiles(files.map((file) => ({ file, handle: null })));
          event.currentTarget.value = '';
        }}
      />
    </section>
  );
}
