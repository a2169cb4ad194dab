FROM rig/busybox:1 AS first
ARG WHO DOLLAR
RUN ["/bin/busybox", "sh", "-c", "echo $WHO $DOLLAR > /who.txt"]
FROM rig/busybox:1 AS final
ARG WHO
COPY --from=first /who.txt /
COPY app /app
ENV WHO=$WHO
USER 1000
WORKDIR /app
ENTRYPOINT ["sleep", "3600"]
FROM final AS unused
RUN ["/bin/busybox", "false"]
