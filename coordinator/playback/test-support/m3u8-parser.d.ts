/** The npm package has no types of its own; this much of it is used. */
declare module 'm3u8-parser' {
  export interface Rendition {
    readonly default: boolean;
    readonly autoselect: boolean;
    readonly language: string;
    readonly uri: string;
  }
  export interface Manifest {
    readonly version?: number;
    readonly mediaSequence?: number;
    readonly playlistType?: string;
    readonly endList?: boolean;
    readonly independentSegments?: boolean;
    readonly targetDuration?: number;
    readonly playlists?: readonly {
      readonly uri: string;
      readonly attributes: Readonly<Record<string, unknown>>;
    }[];
    readonly mediaGroups?: Readonly<
      Record<string, Readonly<Record<string, Readonly<Record<string, Rendition>>>>>
    >;
    readonly segments?: readonly {
      readonly uri: string;
      readonly duration: number;
      readonly map?: { readonly uri: string };
    }[];
  }
  export class Parser {
    readonly manifest: Manifest;
    push(text: string): void;
    end(): void;
  }
}
