import { render } from 'preact';
import './styles/index.css';
import { startSession } from './api/session.ts';
import { App } from './app/app.tsx';
import { startNavigation } from './app/navigation.ts';
import { startTheme } from './app/theme.ts';
import { remindOfUploads } from './app/unfinished-uploads.ts';
import { startLanguage } from './i18n/translate.ts';

startTheme();
startLanguage();
startNavigation();
void startSession().then(remindOfUploads);
render(<App />, document.getElementById('app')!);
