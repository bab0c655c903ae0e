import { useState } from 'preact/hooks';
import { arcPath, makeArt } from './art.ts';

interface PictureProps {
  /** What the picture is made of when there is none. */
  readonly name: string;
  readonly source?: string | null | undefined;
  readonly shape: 'poster' | 'frame';
  /** Shown on a picture that was made. */
  readonly caption?: string | undefined;
}

const SIZES = { poster: [200, 300], frame: [320, 180] } as const;

/** A picture of a film or a video, or one that is made of its name. Its text is said elsewhere. */
export function Picture({ name, source, shape, caption }: PictureProps) {
  const [failed, setFailed] = useState<string>();
  if (source != null && source !== failed) {
    return (
      <span class={`picture picture-${shape}`}>
        <img
          src={source}
          alt=""
          loading="lazy"
          decoding="async"
          referrerpolicy="no-referrer"
          onError={() => setFailed(source)}
        />
      </span>
    );
  }
  return (
    <span class={`picture picture-${shape}`} aria-hidden="true">
      <Drawing name={name} shape={shape} />
      {caption !== undefined && (
        <span class="picture-caption">
          <span>{caption}</span>
        </span>
      )}
    </span>
  );
}

function Drawing({ name, shape }: Pick<PictureProps, 'name' | 'shape'>) {
  const [width, height] = SIZES[shape];
  const { colours, shapes } = makeArt(name, width, height);
  return (
    <svg viewBox={`0 0 ${width} ${height}`} preserveAspectRatio="xMidYMid slice" aria-hidden="true">
      <rect width={width} height={height} fill={colours[0]} />
      {shapes.map((one, index) => {
        const { x, y, radius } = one;
        const colour = colours[one.tone]!;
        if (one.kind === 'disc') return <circle key={index} cx={x} cy={y} r={radius} fill={colour} />;
        const line = {
          fill: 'none',
          stroke: colour,
          'stroke-width': one.width,
          'stroke-linecap': 'round',
        } as const;
        if (one.kind === 'ring') return <circle key={index} cx={x} cy={y} r={radius} {...line} />;
        return <path key={index} d={arcPath(one)} {...line} />;
      })}
    </svg>
  );
}
